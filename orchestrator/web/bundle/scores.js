import{download as t}from"./history-export.js";import{d as e,A as a,Icon as n,html as o,count as s,duration as r,money as i}from"./page.js";const l=[["","Everybody"],["vote","Votes"],["judge","Judges"],["rank","Rankings"]],c=new URL("./scores.css",import.meta.url).href;function $({fetchScores:s,fetchText:r}){const[i,$]=e(""),[d,u]=e(""),[p,g]=e(null),[m,b]=e(""),y=new URLSearchParams({...""===i?{}:{by:i},...""===d.trim()?{}:{q:d.trim()}});a(()=>{let t=!1;const e=(e,a)=>{t||(g(e),b(a))},a=setTimeout(()=>s(Object.fromEntries(y)).then(t=>e(t,""),t=>e(null,t.message)),null===p?0:300);return()=>{t=!0,clearTimeout(a)}},[String(y)]);const v=async(e,a,n)=>{try{t(a,n,await r(`${e}?${y}`))}catch(t){b(t.message)}};return o`<div class="score-page" tabindex="0" role="region" aria-label="Scores">
<link rel="stylesheet" href=${c} />
<div class="scores-head">
<h1>Who is better</h1>
<select aria-label="Who says so" value=${i} onChange=${t=>$(t.target.value)}>
${l.map(([t,e])=>o`<option key=${t} value=${t}>${e}</option>`)}
</select>
<input type="search" aria-label="Questions with" placeholder="Questions with…" value=${d} onInput=${t=>u(t.target.value)} />
<button type="button" class="menu-button" onClick=${()=>v("/v1/scores.csv","scores.csv","text/csv")}><${n} name="download" />CSV</button>
<button type="button" class="menu-button" onClick=${()=>v("/v1/scores/pairs","pairs.jsonl","application/jsonl")}><${n} name="download" />Preference pairs</button>
</div>
${""!==m&&o`<p class="error" role="alert">${m}</p>`}
${null!==p&&(0===p.agents.length?o`<p class="hint">Nothing was compared yet. Vote for an answer (☆), say that none wins, or let a judge decide.</p>`:o`<${h} scores=${p} />`)}
</div>`}function h({scores:{compared:t,agents:e,questions:a}}){return o`<p class="hint" role="status">${1===t?"1 comparison":`${s(t)} comparisons`}. Bradley-Terry ratings around 1000, with their 95 % intervals: 400 more is ten to one.</p>
<${m} agents=${e.filter(({rating:t})=>null!==t)} />
<div class="table" tabindex="0" role="region" aria-label="Agents">
<table>
<thead><tr>${["Agent","Rating","Won","Lost","Tied","Both bad","Time","Tokens","Cost"].map(t=>o`<th key=${t} scope="col">${t}</th>`)}</tr></thead>
<tbody>${e.map((t,e)=>o`<${d} key=${e} agent=${t} />`)}</tbody>
</table>
</div>
<h2>Questions</h2>
<div class="table" tabindex="0" role="region" aria-label="Questions">
<table>
<thead><tr><th scope="col">Question</th><th scope="col">Won</th><th scope="col">Tied</th><th scope="col">Both bad</th></tr></thead>
<tbody>
${a.map(t=>o`<tr key=${t.question}><th scope="row">${t.question}</th><td>${Object.entries(t.wins).map(([t,e])=>`${t} ${e}`).join(", ")}</td><td>${t.ties}</td><td>${t.both_bad}</td></tr>`)}
</tbody>
</table>
</div>`}function d({agent:t}){const{title:e,variant:a,rating:n,low:l,high:c,wins:$,losses:h,ties:d,both_bad:u,duration_ms:p,output_tokens:g,cost:m}=t,b=null===n||null===l||null===c?"–":`${Math.round(n)} (${Math.round(l)} to ${Math.round(c)})`;return o`<tr>
<th scope="row" title=${a?JSON.stringify(a.changes):t.agent_id}>${e}</th>
<td>${b}</td><td>${$}</td><td>${h}</td><td>${d}</td><td>${u}</td>
<td>${null===p?"–":r(p)}</td><td>${null===g?"–":s(Math.round(g))}</td><td>${null===m?"–":i(m)}</td>
</tr>`}const u=26,p=190,g=680;function m({agents:t}){const{at:e,marks:a}=b(t),n=t.length*u+24;return o`<svg class="plot" viewBox=${`0 0 ${g} ${n}`} role="img" aria-label="Ratings with their intervals; the table has the same">
${a.map(t=>o`<g key=${t} class="mark"><line x1=${e(t)} x2=${e(t)} y1="0" y2=${n-20} /><text x=${e(t)} y=${n-5} text-anchor="middle">${t}</text></g>`)}
${t.map(({agent_id:t,title:a,rating:n,low:s,high:r},i)=>{const l=i*u+u/2;return o`<g key=${`${t} ${i}`} data-hue=${i%8}>
<text x="0" y=${l+4}>${a.length>26?`${a.slice(0,25)}…`:a}</text>
<line class="span" x1=${e(s??0)} x2=${e(r??0)} y1=${l} y2=${l} />
<circle cx=${e(n??0)} cy=${l} r="5"><title>${a}: ${Math.round(n??0)}</title></circle>
</g>`})}
</svg>`}function b(t){const e=Math.min(900,...t.map(t=>t.low??1e3)),a=Math.max(1100,...t.map(t=>t.high??1e3)),n=[50,100,200,500,1e3].find(t=>(a-e)/t<=8)??2e3,o=Math.ceil(e/n)*n;return{marks:Array.from({length:Math.floor((a-o)/n)+1},(t,e)=>o+e*n),at:t=>p+20+(t-e)/(a-e)*(g-p-45)}}export{$ as ScorePage,b as scaleOf};
