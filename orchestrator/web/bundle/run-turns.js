import{html as e,count as t,AGENT_STATES as s,Answer as n,isAnswer as a,stageWord as r}from"./page.js";import{MISSING_STATES as l}from"./panel-words.js";const i=new Promise(e=>{setTimeout(e,3e3);const t=document.createElement("link");t.onload=t.onerror=e,Object.assign(t,{rel:"stylesheet",href:new URL("./panel.css",import.meta.url).href}),document.head.append(t)});function o({agent:t,face:{speakers:s,title:n}}){const{stage:l,turns:i}=t,o=a(l)?-1:i.findLastIndex(e=>a(e.stage));return e`${i.map((t,s)=>e`<${$} key=${s} turn=${t} name=${r(t)} open=${s===o} />`)}
${s.includes(t.agent_id)?e`<p class="hint">Has the last word, above.</p>`:e`${i.length>0&&e`<h3 class="stage-name">${r(t)}</h3>`}
<${c} agent=${t} lettered=${!a(l)} title=${n} />`}`}function $({turn:{status:a,text:r},name:l,open:i=!1}){const[o,$]=s[a];return e`<details class="part speech" open=${i}>
<summary><strong>${l}</strong> <span class="hint">${"done"===a?`${t(r.length)} characters`:`${o} ${$}`}</span></summary>
<div class="speech-text"><${n} text=${r} ended=${!0} /></div>
</details>`}function c({agent:{inputs:s,missing:n},lettered:a,title:r}){return s.length+n.length===0?null:e`<ul class="inputs" aria-label="Read">
${s.map(({agent:s,chars:n,of_chars:l},i)=>e`<li key=${s} class=${void 0===l?"":"cut"}>
${a&&e`<b>${String.fromCharCode(65+i%26)}</b>`} ${r(s)}${" "}
<span class="hint">${void 0===l?t(n):`cut: ${t(n)} of ${t(l)}`} chars</span>
</li>`)}
${n.map(({agent:t,status:s})=>e`<li key=${t} class="without">${r(t)} <span class="hint">${l[s]}</span></li>`)}
</ul>`}export{$ as EarlierSpeech,c as Inputs,o as Turns,i as styled};
