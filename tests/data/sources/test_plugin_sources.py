"""Sources that plugins bring, from their settings to prepared images."""

import json
import pickle

import numpy as np
import pytest
from pydantic import ValidationError

from plugged import Plug
from preimage.data.config import SOURCES, DataConfig, stored_config
from preimage.data.dataset import Dataset
from preimage.data.preparing.prepare import prepare
from preimage.data.sources.open import found, is_here, locate, open_source
from preimage.errors import DataError, PluginError
from preimage.jobs.held_out_images import seen_of
from preimage.jobs.invert.job import InvertJob
from preimage.jobs.registry import plugins_of
from preimage.plugins import PluginName, forget
from preimage.specs.validation import check
from preimage.storage.folder import Folder

CODE = """
import numpy as np
import pyarrow as pa
from preimage.config import Config, PositiveInt
from preimage.data.config import SourceKind
from preimage.data.sources.indexed import IndexedSource

class Options(Config):
    count: PositiveInt = 5
    seed: int = 0

class Dots(IndexedSource):
    classes = ["left", "right"]

    def __len__(self):
        return self.options.count

    def label(self, index):
        return index % 2

    def load(self, index):
        image = np.zeros((8, 8), np.uint8)
        image[index % 8, 6 * (index % 2) + self.options.seed % 2] = 255
        return image

class Nothing(IndexedSource):
    def __len__(self):
        return 0

class Half:
    classes = []

def fails(config):
    raise OSError("the instrument is off")

class Untyped(Dots):
    signature = "mine"

DOTS = SourceKind("dots, 8 x 8 grey", Dots, Options, splits=("train", "test"))
class Label(Dots):
    def label(self, index):
        return 2

class Late(Dots):
    def label(self, index):
        return 2 * (index == 3)

class Undeclared(Dots):
    def values(self, index):
        return {"x": 1.0}

class Text(Dots):
    columns = pa.schema({"x": pa.float32()})

    def values(self, index):
        return {"x": "left"}

class Lists(Dots):
    def load(self, index):
        return [[0, 255]]

class Damaged(Dots):
    def load(self, index):
        raise OSError("no such frame")

LABEL, LATE, UNDECLARED, TEXT, LISTS, DAMAGED = (
    SourceKind(each.__name__, each, Options) for each in (Label, Late, Undeclared, Text, Lists, Damaged)
)
NOTHING = SourceKind("nothing", Nothing)
HALF = SourceKind("half", lambda config: Half())
FAILS = SourceKind("fails", fails)
UNTYPED = SourceKind("untyped", Untyped, Options)
FUNCTION = fails
"""
ENTRIES = {
    "sources": {
        name: f"preimage_dots:{name.upper()}"
        for name in (
            "dots",
            "nothing",
            "half",
            "fails",
            "untyped",
            "function",
            "label",
            "late",
            "undeclared",
            "text",
            "lists",
            "damaged",
        )
    }
}


@pytest.fixture
def dots(plug: Plug) -> Plug:
    plug(ENTRIES, CODE, "preimage-dots", "0.3")
    return plug


def mistakes(**values) -> list[tuple[str, str]]:
    return [(".".join(map(str, place)), problem) for place, problem in check(DataConfig, values)[1]]


def test_its_settings_are_typed_complete_and_part_of_the_config(dots):
    config = DataConfig(source="dots", options={"count": 3}, size=8)
    assert isinstance(config.source, PluginName)
    assert (config.options.count, config.options.seed) == (3, 0)
    plain = config.model_dump(mode="json")
    assert plain["options"] == {"count": 3, "seed": 0}
    assert DataConfig.model_validate(json.loads(json.dumps(plain))) == config
    assert DataConfig(source="dots", size=8, options={"count": 5}) == DataConfig(source="dots", size=8)
    again = pickle.loads(pickle.dumps(config))
    assert (again, again.source.plugin) == (config, config.source.plugin)


def test_a_source_without_settings_is_dumped_as_ever():
    assert list(DataConfig(source="digits").model_dump()) == [
        *("source", "path", "split", "class_level", "image_column", "label_column", "category"),
        *("size", "channels", "crop", "resample", "white", "max_images", "on_error"),
    ]


def test_mistakes_in_settings_have_their_place_in_the_one_report(dots):
    options = {"count": 0, "sed": 1}
    found = mistakes(source="dots", options=options, size=8, max_image=3)
    assert found == [
        ("options.count", "should be greater than or equal to 1, but got 0"),
        ("options.sed", "no such key; did you mean 'seed'?"),
        ("max_image", "no such key; did you mean 'max_images'?"),
    ]
    assert mistakes(source="digits", options={"count": 1}) == [
        ("options", "digits has no settings of its own: remove them")
    ]
    assert mistakes(source="dot", options={"count": 1}) == [
        ("source", "'dot': no such source; did you mean 'dots'?")
    ]
    assert mistakes(source="digits", path="/tmp") == []
    assert mistakes(source="dots", path="/tmp") == [("", "dots has no files of yours: remove data.path")]
    assert "has no columns" in mistakes(source="dots", label_column="y")[0][1]
    assert "has no folders of classes" in mistakes(source="dots", class_level=0)[0][1]


def test_the_schema_lists_it_and_its_settings(dots):
    schema = DataConfig.model_json_schema()
    assert {"dots", "digits"} <= set(schema["properties"]["source"]["enum"])
    (rule,) = (each for each in schema["allOf"] if each["if"]["properties"]["source"]["const"] == "dots")
    assert set(rule["then"]["properties"]["options"]["properties"]) == {"count", "seed"}


def test_its_images_are_prepared_like_any_other(dots, tmp_path):
    config = DataConfig(source="dots", options={"count": 6}, size=8, channels=1)
    assert (is_here(config), found("dots"), locate(config)) == (True, "preimage-dots 0.3", config)
    dataset = prepare(config, Folder.at(tmp_path / "datasets"), backend="local")
    assert (dataset.count, dataset.classes, dataset.contents.class_counts) == (6, ["left", "right"], (3, 3))
    assert dataset.manifest["plugins"] == {"preimage-dots": "0.3"}
    assert dataset.config == config
    rows = dataset.read(0, 6)
    for image_id, pixels in zip(rows.image_id.tolist(), rows.pixels.numpy(), strict=True):
        assert np.argwhere(pixels[0])[0].tolist() == [image_id % 8, 6 * (image_id % 2)]
    other = prepare(
        config.model_copy(update={"split": "test"}), Folder.at(tmp_path / "datasets"), backend="local"
    )
    assert other.folder.uri != dataset.folder.uri


def test_another_version_may_make_other_images(dots, plug, tmp_path):
    config = DataConfig(source="dots", size=8, channels=1)
    datasets = Folder.at(tmp_path / "datasets")
    before = prepare(config, datasets, backend="local")
    (tmp_path / "plugins/preimage-dots/preimage_dots-0.3.dist-info/METADATA").write_text(
        "Metadata-Version: 2.1\nName: preimage-dots\nVersion: 0.4\n"
    )
    forget()
    same = prepare(DataConfig(source="dots", size=8, channels=1), datasets, backend="local")
    assert same.folder.uri == before.folder.uri  # it was read again, and is the same
    dots_module = __import__("preimage_dots")
    dots_module.Dots.load = lambda self, index: np.full((8, 8), index, np.uint8)
    (tmp_path / "plugins/preimage-dots/preimage_dots-0.3.dist-info/METADATA").write_text(
        "Metadata-Version: 2.1\nName: preimage-dots\nVersion: 0.5\n"
    )
    forget()
    changed = prepare(DataConfig(source="dots", size=8, channels=1), datasets, backend="local")
    assert changed.fingerprint != before.fingerprint


def test_a_split_that_it_does_not_declare_is_refused(dots):
    with pytest.raises(DataError, match="dots has no split validation: set data.split to train or test"):
        open_source(DataConfig(source="dots", split="validation"))
    assert open_source(DataConfig(source="dots", split="testing")).row(1).name == "test/1"


def test_images_of_other_settings_were_not_seen(dots):
    trained = DataConfig(source="dots", max_images=3)
    assert seen_of(trained, DataConfig(source="dots"), 5) == 3
    assert seen_of(trained, DataConfig(source="dots", options={"seed": 1}), 5) == 0


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nothing", "the source 'nothing' of preimage-dots 0.3 has no images of split train: set another"),
        ("half", r"'half' of preimage-dots 0.3 .* Half is no MapSource: it lacks __len__, columns, contents"),
        ("fails", r"'fails' of preimage-dots 0.3 cannot be opened \(OSError: the instrument is off\)"),
        ("untyped", "its signature must be of the type Signature"),
        ("label", r"its row\(0\) has the label 2, but there are 2 classes"),
        ("undeclared", r"its row\(0\) has columns that it does not declare, x"),
        ("text", r"its row\(0\) has values of other types than its columns: Could not convert 'left'"),
        ("lists", r"its load\(0\) must be bytes or an array, not of the type list"),
    ],
)
def test_what_cannot_be_opened_is_named_with_its_plugin(dots, name, message):
    with pytest.raises(DataError, match=message):
        open_source(DataConfig(source=name))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("late", "train/3 has the label 2, but there are 2 classes"),
        ("damaged", "5 of 5 images cannot be read:\n  train/0: OSError: no such frame"),
    ],
)
def test_what_only_reading_tells_is_named_with_its_image(dots, tmp_path, name, message):
    with pytest.raises(DataError, match=message):
        prepare(DataConfig(source=name, size=8), Folder.at(tmp_path), backend="local")


def test_what_is_no_source_is_named_where_the_spec_names_it(dots, plug):
    ((place, problem),) = mistakes(source="function")
    assert place == "source"
    assert "preimage_dots:FUNCTION of preimage-dots 0.3 is no source: it must be a preimage.data" in problem
    plug({"sources": {"torn": "preimage_torn:X"}}, "import nowhere_at_all", "preimage-torn")
    ((place, problem),) = mistakes(source="torn")
    assert "'torn' of preimage-torn 1.2 cannot be imported (ModuleNotFoundError" in problem
    working, broken = SOURCES.working()
    assert {"dots", "digits"} <= working.keys()
    assert broken.keys() == {"function", "torn"}


def test_a_stored_config_whose_plugin_is_missing_says_what_to_install(dots, plug, tmp_path):
    config = DataConfig(source="dots", size=8, channels=1)
    dataset = prepare(config, Folder.at(tmp_path / "datasets"), backend="local")
    stored = dataset.manifest["config"]
    assert stored_config(stored, dataset.manifest, "this generator") == config
    gone, about = stored | {"source": "gone"}, {"plugins": {"preimage-gone": "2.0"}}
    needed = "was made with the plugin preimage-gone 2.0, which is not installed here: install that version"
    with pytest.raises(PluginError, match=f"this generator {needed}"):
        stored_config(gone, about, "this generator")
    with pytest.raises(DataError, match="no such source; did you mean 'dots'"):
        stored_config(stored | {"source": "dotts"}, {}, "this generator")
    dataset.folder.write_json("manifest.json", dataset.manifest | {"config": gone} | about)
    with pytest.raises(PluginError, match=needed):
        Dataset.open(dataset.folder)
    dataset.folder.write_json("manifest.json", dataset.manifest | {"config": gone, "plugins": {}})
    with pytest.raises(DataError, match="is damaged .*no such source"):
        Dataset.open(dataset.folder)


def test_a_job_is_made_with_the_plugin_of_its_images_wherever_they_are_named(dots):
    data = DataConfig(source="dots", size=8, channels=1)
    invert = InvertJob.model_validate({"generator": "gan", "inversion": {"solver": "adam", "lr": 0.1}})
    assert plugins_of(invert) == {}
    assert plugins_of(invert, data) == plugins_of(invert.model_copy(update={"data": data}))
    assert plugins_of(invert, data) == {"preimage-dots": "0.3"}


def test_a_generator_of_images_whose_plugin_is_broken_says_so(plug):
    plug({"sources": {"torn": "preimage_torn:X"}}, "import nowhere_at_all", "preimage-torn")
    with pytest.raises(PluginError, match="cannot be imported"):
        stored_config({"source": "torn"}, {"plugins": {"preimage-torn": "1.2"}}, "this generator")


def test_pydantic_alone_refuses_too(dots):
    with pytest.raises(ValidationError):
        DataConfig(source="dots", options=3)
