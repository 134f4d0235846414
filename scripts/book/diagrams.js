// Turns the code blocks that are diagrams into diagrams.
const dark = ["coal", "navy", "ayu"].some((theme) => document.documentElement.classList.contains(theme));
for (const code of document.querySelectorAll("code.language-mermaid")) {
  const drawn = document.createElement("pre");
  drawn.className = "mermaid";
  drawn.textContent = code.textContent;
  code.closest("pre").replaceWith(drawn);
}
mermaid.initialize({ startOnLoad: false, securityLevel: "strict", theme: dark ? "dark" : "default" });
mermaid.run();
