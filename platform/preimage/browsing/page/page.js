"use strict";
// The token is in the cookie now: keep it out of the address bar, bookmarks and screenshots.
{
  const address = new URL(location.href);
  if (address.searchParams.has("token")) {
    address.searchParams.delete("token");
    history.replaceState(null, "", address);
  }
}
const setTheme = (name) => {
  document.documentElement.dataset.theme = name;
  try { localStorage.setItem("preimage-theme", name); } catch {}
};
{
  let kept = null;
  try { kept = localStorage.getItem("preimage-theme"); } catch {}
  setTheme(kept ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"));
}
// What is clicked in HTML asks the server by one hidden text input: "pick:12", "tab:walk".
const ask = (what) => {
  const input = window.Bokeh?.documents[0]?.get_model_by_name("asked");
  if (input) input.value = `${what}#${Date.now()}`;
};
window.preimageAsk = ask;
const showTab = (name) => {
  for (const each of document.querySelectorAll("[data-tab]"))
    each.setAttribute("aria-selected", each.dataset.tab === name);
  for (const each of document.querySelectorAll("[data-section]"))
    each.hidden = each.dataset.section !== name;
};
window.preimageShowTab = showTab;
document.addEventListener("click", (event) => {
  for (const each of event.composedPath()) {
    const data = each.dataset;
    if (!data) continue;
    if (data.do !== undefined) return ask(data.do);
    if (data.tab !== undefined) { showTab(data.tab); return ask(`tab:${data.tab}`); }
    if (data.themeButton !== undefined)
      return setTheme(document.documentElement.dataset.theme === "dark" ? "light" : "dark");
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Enter") event.composedPath()[0]?.dataset?.do !== undefined && event.composedPath()[0].click();
});
