import{download as t}from"./history-export.js";import{d as e,A as a,Icon as o,html as n,count as s,duration as r,money as l}from"./page.js";const i=[["","Everybody"],["vote","Votes"],["judge","Judges"],["rank","Rankings"]],c=new URL("./scores.css",import.meta.url).href;function $({fetchScores:s,fetchText:r}){const[l,$]=e(""),[h,u]=e(""),[g,p]=e(null),[m,b]=e(""),y=new URLSearchParams({...""===l?{}:{by:l},...""===h.trim()?{}:{q:h.trim()}});a(()=>{let t=!1;const e=(e,a)=>{t||(p(e),b(a))},a=setTimeout(()=>s(Object.fromEntries(y)).then(t=>e(t,""),t=>e(null,t.message)),null===g?0:300);return()=>{t=!0,clearTimeout(a)}},[String(y)]);const v=async(e,a,o)=>{try{t(a,o,await r(`${e}?${y}`))}catch(t){b(t.message)}};return n`<div class="score-page" tabindex="0" role="region" aria-label="Scores">
<link rel="stylesheet" href=${c} />
<div class="scores-head">
<h1>Who is better</h1>
<select aria-label="Who says so" value=${l} onChange=${t=>$(t.target.value)}>
${i.map(([t,e])=>n`<option key=${t} value=${t}>${e}</option>`)}
</select>
<input type="search" aria-label="Questions with" placeholder="Questions with…" value=${h} onInput=${t=>u(t.target.value)} />
<button type="button" class="menu-button" onClick=${()=>v("/v1/scores.csv","scores.csv","text/csv")}><${o} name="download" />CSV</button>
<button type="button" class="menu-button" onClick=${()=>v("/v1/scores/pairs","pairs.jsonl","application/jsonl")}><${o} name="download" />Preference pairs</button>
</div>
${""!==m&&n`<p class="error" role="alert">${m}</p>`}
${null!==g&&(0===g.agents.length?n`<p class="hint">Nothing was compared yet. Vote for an answer (☆), say that none wins, or let a judge decide.</p>`:n`<${d} scores=${g} />`)}
</div>`}function d({scores:{compared:t,agents:e,questions:a}}){return n`<p class="hint" role="status">${1===t?"1 comparison":`${s(t)} comparisons`}. Bradley-Terry ratings around 1000, with their 95 % intervals: 400 more is ten to one.</p>
<div class="table" tabindex="0" role="region" aria-label="Plot"><${m} agents=${e.filter(({rating:t})=>null!==t)} /></div>
<div class="table" tabindex="0" role="region" aria-label="Agents">
<table>
<thead><tr>${["Agent","Rating","Won","Lost","Tied","Both bad","Time","Tokens","Cost"].map(t=>n`<th key=${t} scope="col">${t}</th>`)}</tr></thead>
<tbody>${e.map((t,e)=>n`<${h} key=${e} agent=${t} />`)}</tbody>
</table>
</div>
<h2>Questions</h2>
<div class="table" tabindex="0" role="region" aria-label="Questions">
<table>
<thead><tr><th scope="col">Question</th><th scope="col">Won</th><th scope="col">Tied</th><th scope="col">Both bad</th></tr></thead>
<tbody>
${a.map(t=>n`<tr key=${t.question}><th scope="row">${t.question}</th><td>${Object.entries(t.wins).map(([t,e])=>`${t} ${e}`).join(", ")}</td><td>${t.ties}</td><td>${t.both_bad}</td></tr>`)}
</tbody>
</table>
</div>`}function h({agent:t}){const{title:e,variant:a,rating:o,low:i,high:c,wins:$,losses:d,ties:h,both_bad:u,duration_ms:g,output_tokens:p,cost:m}=t,b=null===o||null===i||null===c?"–":`${Math.round(o)} (${Math.round(i)} to ${Math.round(c)})`;return n`<tr>
<th scope="row" title=${a?JSON.stringify(a.changes):t.agent_id}>${e}</th>
<td>${b}</td><td>${$}</td><td>${d}</td><td>${h}</td><td>${u}</td>
<td>${null===g?"–":r(g)}</td><td>${null===p?"–":s(Math.round(p))}</td><td>${null===m?"–":l(m)}</td>
</tr>`}const u=26,g=190,p=680;function m({agents:t}){const{at:e,marks:a}=b(t),o=t.length*u+24;return n`<svg class="plot" viewBox=${`0 0 ${p} ${o}`} role="img" aria-label="Ratings with their intervals; the table has the same">
${a.map(t=>n`<g key=${t} class="mark"><line x1=${e(t)} x2=${e(t)} y1="0" y2=${o-20} /><text x=${e(t)} y=${o-5} text-anchor="middle">${t}</text></g>`)}
${t.map(({agent_id:t,title:a,rating:o,low:s,high:r},l)=>{const i=l*u+u/2;return n`<g key=${`${t} ${l}`} data-hue=${l%8}>
<text x="0" y=${i+4}>${a.length>26?`${a.slice(0,25)}…`:a}</text>
<line class="span" x1=${e(s??0)} x2=${e(r??0)} y1=${i} y2=${i} />
<circle cx=${e(o??0)} cy=${i} r="5"><title>${a}: ${Math.round(o??0)}</title></circle>
</g>`})}
</svg>`}function b(t){const e=Math.min(900,...t.map(t=>t.low??1e3)),a=Math.max(1100,...t.map(t=>t.high??1e3)),o=[50,100,200,500,1e3].find(t=>(a-e)/t<=8)??2e3,n=Math.ceil(e/o)*o;return{marks:Array.from({length:Math.floor((a-n)/o)+1},(t,e)=>n+e*o),at:t=>g+20+(t-e)/(a-e)*(p-g-45)}}export{$ as ScorePage,b as scaleOf};
