import{download as t}from"./history-export.js";import{d as e,A as a,Icon as s,html as n,count as o,duration as r,money as i}from"./page.js";const l=[["","Everybody"],["vote","Votes"],["judge","Judges"],["rank","Rankings"]],c=new URL("./scores.css",import.meta.url).href;function $({fetchScores:o,fetchText:r}){const[i,$]=e(""),[d,u]=e(""),[p,g]=e(null),[m,b]=e(""),y=new URLSearchParams({...""===i?{}:{by:i},...""===d.trim()?{}:{q:d.trim()}});a(()=>{let t=!1;const e=(e,a)=>{t||(g(e),b(a))},a=setTimeout(()=>o(Object.fromEntries(y)).then(t=>e(t,""),t=>e(null,t.message)),null===p?0:300);return()=>{t=!0,clearTimeout(a)}},[String(y)]);const v=async(e,a,s)=>{try{t(a,s,await r(`${e}?${y}`))}catch(t){b(t.message)}};return n`<div class="scores" tabindex="0" role="region" aria-label="Scores">
<link rel="stylesheet" href=${c} />
<div class="scores-head">
<h1>Who is better</h1>
<select aria-label="Who says so" value=${i} onChange=${t=>$(t.target.value)}>
${l.map(([t,e])=>n`<option key=${t} value=${t}>${e}</option>`)}
</select>
<input type="search" aria-label="Questions with" placeholder="Questions with…" value=${d} onInput=${t=>u(t.target.value)} />
<button type="button" class="menu-button" onClick=${()=>v("/v1/scores.csv","scores.csv","text/csv")}><${s} name="download" />CSV</button>
<button type="button" class="menu-button" onClick=${()=>v("/v1/scores/pairs","pairs.jsonl","application/jsonl")}><${s} name="download" />Preference pairs</button>
</div>
${""!==m&&n`<p class="error" role="alert">${m}</p>`}
${null!==p&&(0===p.agents.length?n`<p class="hint">Nothing was compared yet. Vote for an answer (☆), say that none wins, or let a judge decide.</p>`:n`<${h} scores=${p} />`)}
</div>`}function h({scores:{compared:t,agents:e,questions:a}}){return n`<p class="hint" role="status">${1===t?"1 comparison":`${o(t)} comparisons`}. Bradley-Terry ratings around 1000, with their 95 % intervals: 400 more is ten to one.</p>
<${m} agents=${e.filter(({rating:t})=>null!==t)} />
<div class="table" tabindex="0" role="region" aria-label="Agents">
<table>
<thead><tr>${["Agent","Rating","Won","Lost","Tied","Both bad","Time","Tokens","Cost"].map(t=>n`<th key=${t} scope="col">${t}</th>`)}</tr></thead>
<tbody>${e.map((t,e)=>n`<${d} key=${e} agent=${t} />`)}</tbody>
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
</div>`}function d({agent:t}){const{title:e,variant:a,rating:s,low:l,high:c,wins:$,losses:h,ties:d,both_bad:u,duration_ms:p,output_tokens:g,cost:m}=t,b=null===s||null===l||null===c?"–":`${Math.round(s)} (${Math.round(l)} to ${Math.round(c)})`;return n`<tr>
<th scope="row" title=${a?JSON.stringify(a.changes):t.agent_id}>${e}</th>
<td>${b}</td><td>${$}</td><td>${h}</td><td>${d}</td><td>${u}</td>
<td>${null===p?"–":r(p)}</td><td>${null===g?"–":o(Math.round(g))}</td><td>${null===m?"–":i(m)}</td>
</tr>`}const u=26,p=190,g=680;function m({agents:t}){const{at:e,marks:a}=b(t),s=t.length*u+24;return n`<svg class="plot" viewBox=${`0 0 ${g} ${s}`} role="img" aria-label="Ratings with their intervals; the table has the same">
${a.map(t=>n`<g key=${t} class="mark"><line x1=${e(t)} x2=${e(t)} y1="0" y2=${s-20} /><text x=${e(t)} y=${s-5} text-anchor="middle">${t}</text></g>`)}
${t.map(({agent_id:t,title:a,rating:s,low:o,high:r},i)=>{const l=i*u+u/2;return n`<g key=${`${t} ${i}`} data-hue=${i%8}>
<text x="0" y=${l+4}>${a.length>26?`${a.slice(0,25)}…`:a}</text>
<line class="span" x1=${e(o??0)} x2=${e(r??0)} y1=${l} y2=${l} />
<circle cx=${e(s??0)} cy=${l} r="5"><title>${a}: ${Math.round(s??0)}</title></circle>
</g>`})}
</svg>`}function b(t){const e=Math.min(900,...t.map(t=>t.low??1e3)),a=Math.max(1100,...t.map(t=>t.high??1e3)),s=[50,100,200,500,1e3].find(t=>(a-e)/t<=8)??2e3,n=Math.ceil(e/s)*s;return{marks:Array.from({length:Math.floor((a-n)/s)+1},(t,e)=>n+e*s),at:t=>p+20+(t-e)/(a-e)*(g-p-45)}}export{$ as ScorePage,b as scaleOf};
