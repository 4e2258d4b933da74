from website.schema import cell, keys_of, references, type_text

DEFINITIONS = {
    "Optimizer": {
        "description": "How weights move. The same for all networks.",
        "properties": {
            "lr": {"type": "number", "default": 0.1},
            "name": {"enum": ["adam", "sgd"], "default": "adam"},
        },
    },
}
OPTIMIZER = {"$ref": "#/$defs/Optimizer"}


def link(name: str) -> str:
    return f"[{name}](#{name.lower()})"


def test_a_nested_union_is_one_list_with_null_last():
    size = {"anyOf": [{"type": "null"}, {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string"}]}]}
    assert type_text({"oneOf": [size, {"type": "string"}]}, link) == "whole number ≥ 1, text or `null`"


def test_a_union_of_groups_and_lists_keeps_its_links():
    schema = {"anyOf": [OPTIMIZER, {"type": "array", "items": OPTIMIZER}, {"type": "null"}]}
    assert type_text(schema, link) == "[Optimizer](#optimizer), list of [Optimizer](#optimizer) or `null`"


def test_types_in_words():
    pair = {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "number", "exclusiveMinimum": 0}]}
    assert type_text(pair, link) == "[whole number, number > 0]"
    assert type_text({"enum": ["a", 1, None]}, link) == "`a`, `1` or `null`"
    assert type_text({"const": "pag", "type": "string"}, link) == "`pag`"
    assert (
        type_text({"type": "object", "additionalProperties": {"type": "string"}}, link)
        == "names, each with: text"
    )
    assert type_text({"type": "object", "additionalProperties": True}, link) == "keys and values"
    assert type_text({}, link) == "anything"


def test_a_group_s_default_is_what_differs_from_its_own():
    schema = {
        "required": ["seed"],
        "properties": {
            "seed": {"type": "integer"},
            "as_usual": {**OPTIMIZER, "default": {"lr": 0.1, "name": "adam"}},
            "other": {**OPTIMIZER, "default": {"lr": 0.5, "name": "adam"}, "description": "Its own words."},
        },
    }
    seed, as_usual, other = keys_of(schema, DEFINITIONS, link)
    assert seed.required
    assert seed.default is None
    assert as_usual.default is None
    assert as_usual.description == "How weights move."
    assert (other.default, other.description) == ("{lr: 0.5}", "Its own words.")


def test_cells_keep_code_and_escape_the_rest():
    assert (
        cell("a | b <step> `x<y`\nnext\n\nthen *this*") == "a \\| b &lt;step> `x<y` next<br>then \\*this\\*"
    )


def test_references_ignore_a_discriminator():
    union = {"oneOf": [OPTIMIZER], "discriminator": {"mapping": {"b": {"$ref": "#/$defs/Other"}}}}
    assert list(references({"properties": {"a": union}})) == ["Optimizer"]
