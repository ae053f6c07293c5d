// Makes the table of all runs sortable and filterable. Cells are text and never HTML: they come from configs.
document.addEventListener("DOMContentLoaded", () => {
  const element = document.getElementById("runs-table");
  if (element === null) return;
  const content = JSON.parse(document.getElementById("runs-data").textContent);
  const text = DataTable.render.text().display;
  const rounded = (value) => (value === null ? "" : String(Number(value.toPrecision(4))));
  const render = {
    // sorting and filtering go by the full value
    num: (value, kind) => (kind === "display" ? rounded(value) : value),
    text: (value, kind) => (kind === "display" ? text(value ?? "") : (value ?? "")),
    link: (value, kind) => {
      if (kind !== "display" || !value) return value ?? "";
      const link = document.createElement("a");
      link.href = "./" + value.split("/").map(encodeURIComponent).join("/") + "/";
      link.textContent = value;
      return link;
    },
  };
  new DataTable(element, {
    data: content.rows,
    columns: content.columns.map((column) => ({
      type: column.kind === "num" ? "num" : "string",
      className: column.kind === "num" ? "dt-right" : column.wide ? "wide" : "",
      render: render[column.kind],
    })),
    columnControl: [{ target: 0, content: ["order"] }, { target: 1, content: ["search"] }],
    ordering: { indicators: false, handler: true },
    order: [],
    deferRender: true,
    pageLength: 25,
    scrollX: true,
    language: { search: "In all columns:" },
  });
});
