/* Order of search results: pages of measurements and of history come last. */
const LAST = /^(performance|published|generalisation|changes|decisions|development|policy)/;
var Scorer = {
  score: ([docname, , , , score]) => (LAST.test(docname) ? score - 30 : score),
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};
