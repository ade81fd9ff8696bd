/** The style sheet of the page: light and dark by the reader's setting, one column on a phone, black on white in print. */
export const styleSheet = `
:root {
	color-scheme: light dark;
	--paper: #fff; --ink: #1b1f24; --soft: #56606b; --line: #d5dae0; --panel: #f4f6f8; --link: #0b5cad;
	--removed: #c2410c; --kept: #5b8db8; --critical: #6d3fa0; --frozen: #59636e;
	--substitute: #c2410c; --need: #1d5fa8;
	--good: #176f35; --fair: #8a5a00; --bad: #b42318;
	--series-0: #1d5fa8; --series-1: #b4480f; --series-2: #167a4a; --series-3: #8b3fa0; --series-4: #7a5c00; --series-5: #b0245f;
}
@media (prefers-color-scheme: dark) { :root {
	--paper: #14171b; --ink: #e6e9ed; --soft: #a9b3be; --line: #3a424b; --panel: #1d2228; --link: #7db9f5;
	--removed: #fb8c5a; --kept: #6f9fc8; --critical: #c79bf0; --frozen: #9aa5b1;
	--substitute: #fb8c5a; --need: #6db0f2;
	--good: #63c987; --fair: #e8b04b; --bad: #ff8a7a;
	--series-0: #6db0f2; --series-1: #fb9a68; --series-2: #5fcb95; --series-3: #cf9bef; --series-4: #dcbc4f; --series-5: #f58bb6;
} }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
header, main, footer { max-width: 72rem; margin: 0 auto; padding: 0 1rem; }
header { padding-top: 1.5rem; }
h1 { font-size: 1.15rem; font-weight: 600; color: var(--soft); margin: 0 0 .75rem; }
h2 { font-size: 1.3rem; margin: 2.2rem 0 .5rem; } .first h2 { font-size: 1.1rem; margin: 1.2rem 0 .3rem; }
h3 { font-size: 1.05rem; margin: 1.5rem 0 .5rem; } .details h3 { font-size: 1.15rem; margin-top: 2rem; }
p { margin: .5rem 0; max-width: 46rem; }
a { color: var(--link); }
.verdict { border-left: .4rem solid var(--soft); background: var(--panel); padding: 1rem 1.2rem; border-radius: .3rem; }
.verdict p, .verdict ul { margin: 0 0 .4rem; } .verdict p:last-child { margin-bottom: 0; }
.verdict .headline { max-width: none; font-size: 1.4rem; line-height: 1.35; font-weight: 600; }
.verdict.sensible { border-color: var(--good); } .verdict.costly { border-color: var(--fair); }
.verdict.damaged, .verdict.broken { border-color: var(--bad); }
.tag { font-weight: 600; } .sensible .tag { color: var(--good); } .costly .tag { color: var(--fair); }
.damaged .tag, .broken .tag, .bad { color: var(--bad); } .good { color: var(--good); }
nav { border-top: 1px solid var(--line); margin-top: 1.8rem; padding-top: .8rem; }
nav ul { list-style: none; display: flex; flex-wrap: wrap; gap: .3rem 1.1rem; padding: 0; margin: 0; } nav ul ul { display: inline-flex; gap: .3rem .9rem; margin-left: .3rem; }
.scroll { overflow-x: auto; margin: .75rem 0; max-width: 100%; }
.scroll:focus-visible, summary:focus-visible, a:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
table { border-collapse: collapse; font-size: .92rem; overflow-wrap: break-word; }
caption { text-align: left; color: var(--soft); padding-bottom: .3rem; font-size: .92rem; max-width: calc(100vw - 2rem); }
th, td { text-align: left; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
tbody th, td:not(.figure) { max-width: 24rem; min-width: 3rem; } tbody th:not(.figure) { min-width: 6.5rem; }
thead th { color: var(--soft); font-weight: 600; vertical-align: bottom; } tbody th { font-weight: 500; }
.figure { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td.figure, thead th.figure { white-space: normal; } td.figure { white-space: nowrap; }
figure { margin: 1rem 0; } figcaption { color: var(--soft); font-size: .92rem; max-width: 46rem; }
svg.plot { display: block; max-width: 100%; height: auto; overflow: visible; }
svg.narrow { display: none; }
svg.plot g[stroke-opacity] { stroke: var(--soft); }
.legend { list-style: none; padding: 0; margin: .4rem 0; display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; font-size: .92rem; }
.glyph { font-weight: 700; }
${["removed", "kept", "critical", "frozen", "substitute", "need", "ink", "series-0", "series-1", "series-2", "series-3", "series-4", "series-5"].map((name) => `.c-${name} { color: var(--${name}); }`).join(" ")}
details { margin: .5rem 0; } summary { cursor: pointer; color: var(--link); width: fit-content; }
.details { border-top: 1px solid var(--line); margin-top: 2.5rem; } .details > summary h2 { display: inline-block; margin: 1rem 0 .5rem; } #details { scroll-margin-top: 4rem; }
.strip { list-style: none; padding: 0; margin: .75rem 0; display: flex; flex-wrap: wrap; gap: 3px; }
.strip li { width: 2.1rem; height: 2.6rem; border: 1px solid var(--line); border-radius: .2rem; background: var(--panel); text-align: center; line-height: 1.2; padding-top: .15rem; font-size: .85rem; }
.strip .number { display: block; } .strip .mark { font-weight: 700; }
.strip .removed { border: 2px dashed var(--removed); background: none; } .strip .removed .number { text-decoration: line-through; } .strip .removed .mark { color: var(--removed); }
.strip .attention, .strip .feed-forward { background: linear-gradient(to right, var(--panel) 50%, transparent 50%); border-width: 2px; border-right: 2px dashed var(--removed); }
.strip .feed-forward { background: linear-gradient(to left, var(--panel) 50%, transparent 50%); border-right: 2px solid var(--line); border-left: 2px dashed var(--removed); } .strip .attention .mark, .strip .feed-forward .mark { color: var(--removed); }
.strip .critical .mark { color: var(--critical); } .strip .frozen .mark { color: var(--frozen); }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.note { color: var(--soft); font-size: .92rem; } .interval { display: block; color: var(--soft); font-size: .88em; }
.sample { margin: .5rem 0 1.5rem; } .first .sample { margin-bottom: .5rem; } .pair { display: grid; grid-template-columns: 1fr 1fr; gap: .6rem; margin-top: .6rem; }
.pair > div, .prompt { background: var(--panel); border-radius: .3rem; padding: .6rem .9rem; }
.by { margin: 0 0 .3rem; font-size: .92rem; font-weight: 600; color: var(--soft); }
.text { white-space: pre-wrap; margin: 0; }
code, pre { font: .9em/1.45 ui-monospace, monospace; } pre { background: var(--panel); padding: .7rem .9rem; border-radius: .3rem; white-space: pre-wrap; }
.warnings li { margin: .3rem 0; }
footer { color: var(--soft); font-size: .9rem; padding-top: 1.5rem; padding-bottom: 2rem; }
.first caption { position: absolute; width: 1px; height: 1px; padding: 0; overflow: hidden; clip-path: inset(50%); }
.first td:last-child, .first th:last-child { padding-right: 0; } .option { white-space: nowrap; }
@media screen and (min-width: 1000px) {
	.first.two { display: grid; grid-template-columns: minmax(27rem, 5fr) 6fr; grid-template-rows: auto 1fr; column-gap: 2.5rem; }
	.first.two > :first-child { grid-row: 1 / 3; } .first.two > :nth-child(4) { grid-column: 1 / -1; } .first.two table { width: 100%; }
}
@media (max-width: 640px) {
	.first td.figure:last-child { white-space: normal; }
	.first table { font-size: .86rem; width: 100%; } .interval { font-size: .9em; }
	th, td { padding-right: .5rem; } tbody th:not(.figure) { min-width: 5rem; }
	.pair { grid-template-columns: 1fr; } svg.wide { display: none; } svg.narrow { display: block; }
	.verdict .headline { font-size: 1.15rem; }
}
@media print {
	:root { color-scheme: light; --paper: #fff; --ink: #000; --soft: #333; --line: #999; --panel: #fff; --link: #000;
		--removed: #a33708; --kept: #4a7ba6; --critical: #5b2f8c; --frozen: #444; --substitute: #a33708; --need: #164a85;
		--good: #0d5426; --fair: #6b4500; --bad: #8f1b11;
		--series-0: #164a85; --series-1: #8f380a; --series-2: #0f5f39; --series-3: #6d2f7e; --series-4: #5e4700; --series-5: #8a1b4a; }
	body { font-size: 10.5pt; } nav, figure details { display: none; } .details > summary { list-style: none; color: inherit; }
	/* What is folded away on a screen is printed. */
	.details::details-content { content-visibility: visible; display: block; block-size: auto; } header, main, footer { max-width: none; padding: 0; }
	h2, h3 { break-after: avoid; } figure, table, .pair, .verdict { break-inside: avoid; } .scroll { overflow: visible; }
	svg.wide { display: block; } svg.narrow { display: none; } * { print-color-adjust: exact; }
}
`;
