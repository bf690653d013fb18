"use strict";
// A table of openapi.json: the usual viewers would load themselves from elsewhere.

(async () => {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  const answer = await fetch("openapi.json", { headers: token ? { authorization: `Bearer ${token}` } : {} });
  if (!answer.ok) {
    document.getElementById("wrong").textContent = "The server asks for its token: add #token=… to the address.";
    return;
  }
  const about = await answer.json();
  for (const [path, methods] of Object.entries(about.paths)) {
    for (const [method, told] of Object.entries(methods)) {
      const row = document.createElement("tr");
      const query = (told.parameters || []).filter((each) => each.in === "query").map((each) => each.name).join(", ");
      const cells = [`${method.toUpperCase()} ${path}${query ? ` ?${query}` : ""}`, told.description || told.summary,
        Object.keys(told.responses).join(", ")];
      row.append(...cells.map((text) => Object.assign(document.createElement("td"), { textContent: text })));
      document.getElementById("rows").append(row);
    }
  }
})();
