import{h as s,b as t,j as a,k as e,v as n,p as $}from"./page-04db0521df04.js";import{MISSING_STATES as l}from"./panel-words-7983f34a4637.js";function r({agent:t,face:{speakers:a,title:e}}){const{stage:l,turns:r}=t,o=n(l)?-1:r.findLastIndex(s=>n(s.stage));return s`${r.map((t,a)=>s`<${i} key=${a} turn=${t} name=${$(t)} open=${a===o} />`)}
${a.includes(t.agent_id)?s`<p class="hint">Has the last word, above.</p>`:s`${r.length>0&&s`<h3 class="stage-name">${$(t)}</h3>`}
<${c} agent=${t} lettered=${!n(l)} title=${e} />`}`}function i({turn:{status:n,text:$},name:l,open:r=!1}){const[i,c]=a[n];return s`<details class="part speech" open=${r}>
<summary><strong>${l}</strong> <span class="hint">${"done"===n?`${t($.length)} characters`:`${i} ${c}`}</span></summary>
<div class="speech-text"><${e} text=${$} ended=${!0} /></div>
</details>`}function c({agent:{inputs:a,missing:e},lettered:n,title:$}){return a.length+e.length===0?null:s`<ul class="inputs" aria-label="Read">
${a.map(({agent:a,chars:e,of_chars:l},r)=>s`<li key=${a} class=${void 0===l?"":"cut"}>
${n&&s`<b>${String.fromCharCode(65+r%26)}</b>`} ${$(a)}${" "}
<span class="hint">${void 0===l?t(e):`cut: ${t(e)} of ${t(l)}`} chars</span>
</li>`)}
${e.map(({agent:t,status:a})=>s`<li key=${t} class="without">${$(t)} <span class="hint">${l[a]}</span></li>`)}
</ul>`}export{i as EarlierSpeech,c as Inputs,r as Turns};
