/* A click on the image of the explorer replaces it by the explorer. Without this script
   it is a link to the page. */
addEventListener("click", (event) => {
  const link = event.target.closest("a.explorer");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const frame = document.createElement("iframe");
  Object.assign(frame, { src: link.href, className: "explorer", title: "Latent space explorer" });
  link.replaceWith(frame);
});
