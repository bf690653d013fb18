"use strict";
// Shows openapi.json as a table. The usual viewers would load code from other servers.

(async () => {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  const response = await fetch("openapi.json", { headers: token ? { authorization: `Bearer ${token}` } : {} });
  if (!response.ok) {
    document.getElementById("wrong").textContent = "The server needs its token: add #token=… to the address.";
    return;
  }
  const schema = await response.json();
  for (const [path, methods] of Object.entries(schema.paths)) {
    for (const [method, endpoint] of Object.entries(methods)) {
      const row = document.createElement("tr");
      const query = (endpoint.parameters || []).filter((each) => each.in === "query").map((each) => each.name).join(", ");
      const cells = [`${method.toUpperCase()} ${path}${query ? ` ?${query}` : ""}`, endpoint.description || endpoint.summary,
        Object.keys(endpoint.responses).join(", ")];
      row.append(...cells.map((text) => Object.assign(document.createElement("td"), { textContent: text })));
      document.getElementById("rows").append(row);
    }
  }
})();
