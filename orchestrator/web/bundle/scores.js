import{d as t,A as e,Icon as a,html as n,count as o,duration as s,money as r}from"./page.js";const l=[["","Everybody"],["vote","Votes"],["judge","Judges"],["rank","Rankings"]];function i({fetchScores:o,fetchText:s}){const[r,i]=t(""),[d,$]=t(""),[h,u]=t(null),[g,p]=t(""),b=new URLSearchParams({...""===r?{}:{by:r},...""===d.trim()?{}:{q:d.trim()}});e(()=>{let t=!1;const e=(e,a)=>{t||(u(e),p(a))},a=setTimeout(()=>o(Object.fromEntries(b)).then(t=>e(t,""),t=>e(null,t.message)),null===h?0:300);return()=>{t=!0,clearTimeout(a)}},[String(b)]);const m=async(t,e)=>{try{!function(t,e){const a=URL.createObjectURL(new Blob([e])),n=document.createElement("a");n.href=a,n.download=t,n.click(),setTimeout(()=>URL.revokeObjectURL(a),1e4)}(e,await s(`${t}?${b}`))}catch(t){p(t.message)}};return n`<div class="scores" tabindex="0" role="region" aria-label="Scores">
<div class="scores-head">
<h1>Who is better</h1>
<select aria-label="Who says so" value=${r} onChange=${t=>i(t.target.value)}>
${l.map(([t,e])=>n`<option key=${t} value=${t}>${e}</option>`)}
</select>
<input type="search" aria-label="Questions with" placeholder="Questions with…" value=${d} onInput=${t=>$(t.target.value)} />
<button type="button" class="menu-button" onClick=${()=>m("/v1/scores.csv","scores.csv")}><${a} name="download" />CSV</button>
<button type="button" class="menu-button" onClick=${()=>m("/v1/scores/pairs","pairs.jsonl")}><${a} name="download" />Preference pairs</button>
</div>
${""!==g&&n`<p class="error" role="alert">${g}</p>`}
${null!==h&&(0===h.agents.length?n`<p class="hint">Nothing was compared yet. Vote for an answer (☆), say that none wins, or let a judge decide.</p>`:n`<${c} scores=${h} />`)}
</div>`}function c({scores:{compared:t,agents:e,questions:a}}){return n`<p class="hint" role="status">${1===t?"1 comparison":`${o(t)} comparisons`}. Bradley-Terry ratings around 1000, with their 95 % intervals: 400 more is ten to one.</p>
<${g} agents=${e.filter(({rating:t})=>null!==t)} />
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
</div>`}function d({agent:t}){const{title:e,variant:a,rating:l,low:i,high:c,wins:d,losses:$,ties:h,both_bad:u,duration_ms:g,output_tokens:p,cost:b}=t,m=null===l||null===i||null===c?"–":`${Math.round(l)} (${Math.round(i)} to ${Math.round(c)})`;return n`<tr>
<th scope="row" title=${a?JSON.stringify(a.changes):t.agent_id}>${e}</th>
<td>${m}</td><td>${d}</td><td>${$}</td><td>${h}</td><td>${u}</td>
<td>${null===g?"–":s(g)}</td><td>${null===p?"–":o(Math.round(p))}</td><td>${null===b?"–":r(b)}</td>
</tr>`}const $=26,h=190,u=680;function g({agents:t}){const{at:e,marks:a}=p(t),o=t.length*$+24;return n`<svg class="plot" viewBox=${`0 0 ${u} ${o}`} role="img" aria-label="Ratings with their intervals; the table has the same">
${a.map(t=>n`<g key=${t} class="mark"><line x1=${e(t)} x2=${e(t)} y1="0" y2=${o-20} /><text x=${e(t)} y=${o-5} text-anchor="middle">${t}</text></g>`)}
${t.map(({agent_id:t,title:a,rating:o,low:s,high:r},l)=>{const i=l*$+$/2;return n`<g key=${`${t} ${l}`} data-hue=${l%8}>
<text x="0" y=${i+4}>${a.length>26?`${a.slice(0,25)}…`:a}</text>
<line class="span" x1=${e(s??0)} x2=${e(r??0)} y1=${i} y2=${i} />
<circle cx=${e(o??0)} cy=${i} r="5"><title>${a}: ${Math.round(o??0)}</title></circle>
</g>`})}
</svg>`}function p(t){const e=Math.min(900,...t.map(t=>t.low??1e3)),a=Math.max(1100,...t.map(t=>t.high??1e3)),n=[50,100,200,500,1e3].find(t=>(a-e)/t<=8)??2e3,o=Math.ceil(e/n)*n;return{marks:Array.from({length:Math.floor((a-o)/n)+1},(t,e)=>o+e*n),at:t=>h+20+(t-e)/(a-e)*(u-h-45)}}export{i as ScorePage,p as scaleOf};
