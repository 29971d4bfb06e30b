/* The versions of these pages, newest first, and the folder of each below the site's root.
   A release copies this file into the folders of older versions, so that they know newer
   ones. It is a script because a page that is opened from disk may load no other data. */
const SITE_VERSIONS = {
  "0.1.0.dev0": "",
};

addEventListener("DOMContentLoaded", () => {
  const select = document.getElementById("version");
  const { release, root } = select.dataset;
  const names = Object.keys(SITE_VERSIONS);
  if (!names.includes(release)) names.unshift(release);
  select.replaceChildren(
    ...names.map((name) => new Option(name, name, name === release, name === release)),
  );
  select.onchange = () => {
    const up = SITE_VERSIONS[release] ? "../" : "";
    const folder = SITE_VERSIONS[select.value];
    location.href = `${root}${up}${folder ? `${folder}/` : ""}index.html`;
  };
});
