// Colours, hovering and choosing of a static map. Every text is set by textContent, so that none becomes markup.
"use strict";
(() => {
  const given = JSON.parse(document.getElementById("payload").textContent);
  const bytes = (text) => Uint8Array.from(atob(text), (each) => each.charCodeAt(0)).buffer;
  const columns = given.columns.map((each) => each.kind === "number"
    ? {...each, values: new (each.wide ? Float64Array : Float32Array)(bytes(each.values))}
    : {...each, codes: new Int32Array(bytes(each.codes))});
  const thumbnails = given.thumbnails;
  const places = new Int32Array(bytes(thumbnails.places));
  const UNKNOWN = "#c3c8d0", MANY = 60;
  const byId = (id) => document.getElementById(id), select = byId("colour");
  const element = (name, text, kind) => {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    if (kind) made.className = kind;
    return made;
  };

  const shown = (value) => Number.isNaN(value) ? "unknown"
    : Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(4)));

  function ends(values) { // between the 1st and the 99th percentile, so that one far value hides no others
    const known = Array.from(values).filter(Number.isFinite).sort((a, b) => a - b);
    if (!known.length) return [0, 1];
    const at = (share) => known[Math.round(share * (known.length - 1))];
    const [low, high] = [at(0.01), at(0.99)];
    return low < high ? [low, high] : [known[0], known[known.length - 1]];
  }

  function paletteOf(count) {
    const {few, texts, many} = given.palettes;
    if (count <= few.length) return few;
    if (count <= texts.length) return texts;
    return Array.from({length: count}, (_, i) => many[Math.floor(i * (many.length - 1) / (count - 1))]);
  }

  function colours(column) {
    if (column.kind === "text") {
      const palette = paletteOf(column.texts.length);
      return Array.from(column.codes, (code) => column.texts[code] === "" ? UNKNOWN : palette[code]);
    }
    const palette = given.palettes.numbers, [low, high] = ends(column.values), span = high - low || 1;
    return Array.from(column.values, (value) => Number.isFinite(value)
      ? palette[Math.max(0, Math.min(255, Math.round(255 * (value - low) / span)))] : UNKNOWN);
  }

  function legend(column, source) {
    const place = byId("legend");
    place.replaceChildren();
    if (column.kind === "number") {
      const bar = element("div", undefined, "bar"), [low, high] = ends(column.values);
      const steps = given.palettes.numbers.filter((_, i) => i % 17 === 0);
      bar.style.background = `linear-gradient(to right, ${steps.join(",")})`;
      const names = element("div", undefined, "ends");
      names.append(element("span", shown(low)), element("span", shown(high)));
      place.append(bar, names);
      return;
    }
    const palette = paletteOf(column.texts.length), counts = new Array(column.texts.length).fill(0);
    column.codes.forEach((code) => { counts[code] += 1; });
    column.texts.forEach((text, code) => {
      const button = element("button"), dot = element("i");
      dot.style.background = text === "" ? UNKNOWN : palette[code];
      button.append(dot, `${text === "" ? "unknown" : text} (${counts[code]})`);
      button.addEventListener("click", () => {
        const all = Array.from(column.codes.keys()).filter((row) => column.codes[row] === code);
        source.selected.indices = source.selected.indices.length === all.length ? [] : all;
      });
      place.append(button);
    });
  }

  function thumbnail(row, scale) {
    const cell = places[row], {columns: across, rows, width, height} = thumbnails;
    const made = element("div", undefined, "thumbnail");
    if (cell < 0) return null;
    const at = cell % (across * rows), sheet = thumbnails.sheets[Math.floor(cell / (across * rows))];
    made.style.width = `${width * scale + 2}px`;
    made.style.height = `${height * scale + 2}px`;
    made.style.backgroundImage = `url("${sheet}")`;
    made.style.backgroundSize = `${across * width * scale}px ${rows * height * scale}px`;
    made.style.backgroundPosition = `-${at % across * width * scale}px -${Math.floor(at / across) * height * scale}px`;
    return made;
  }

  const nameOf = (row) => given.names ? given.names[row] : `image ${given.ids[row]}`;

  function describe(row, place, every) {
    const scale = Math.max(1, Math.round(120 / thumbnails.height));
    const picture = thumbnail(row, scale), column = columns[select.value];
    place.replaceChildren();
    if (picture) place.append(picture, element("div", thumbnails.shown.join(" | "), "caption"));
    place.append(element("b", nameOf(row)));
    const text = (each) => each.kind === "text" ? each.texts[each.codes[row]] || "unknown" : shown(each.values[row]);
    if (!every) {
      if (column) place.append(element("div", `${column.name}: ${text(column)}`));
      return;
    }
    const list = element("dl");
    list.append(element("dt", "image_id"), element("dd", given.ids[row]));
    for (const each of columns) list.append(element("dt", each.name), element("dd", text(each)));
    place.append(list);
  }

  function begin(source) {
    const tip = byId("tip");
    columns.forEach((each, i) => {
      const option = element("option", each.name);
      option.value = i;
      select.append(option);
    });
    const paint = () => {
      const column = columns[select.value];
      if (!column) return;
      source.data = {...source.data, color: colours(column)};
      legend(column, source);
    };
    select.addEventListener("change", paint);
    if (!columns.length) select.parentElement.remove();
    document.addEventListener("mousemove", (event) => {
      const left = event.clientX + 16 + 330 > innerWidth ? event.clientX - 16 - tip.offsetWidth : event.clientX + 16;
      tip.style.left = `${Math.max(0, left)}px`;
      tip.style.top = `${Math.max(0, Math.min(event.clientY + 12, innerHeight - tip.offsetHeight - 4))}px`;
      if (!event.composedPath().includes(byId("map"))) tip.style.display = "none";
    });
    window.preimage = {
      hover(rows) {
        tip.style.display = rows.length ? "block" : "none";
        if (rows.length) describe(rows[0], tip, false);
      },
      choose(rows) {
        const many = byId("many");
        many.replaceChildren();
        if (!rows.length) return;
        describe(rows[0], byId("card"), true);
        if (rows.length === 1) return;
        byId("card").replaceChildren(element("b", `${rows.length.toLocaleString("en")} chosen`));
        const scale = Math.max(1, Math.round(32 / thumbnails.height));
        for (const row of rows.filter((each) => places[each] >= 0).slice(0, MANY)) {
          const made = thumbnail(row, scale);
          made.title = nameOf(row);
          made.addEventListener("click", () => describe(row, byId("card"), true));
          many.append(made);
        }
      },
    };
    paint();
    document.body.dataset.ready = "yes";
  }

  function wait() {
    const documents = window.Bokeh ? window.Bokeh.documents : [];
    const source = documents.length ? documents[0].get_model_by_name("points") : null;
    if (source) begin(source); else setTimeout(wait, 20);
  }
  wait();
})();
