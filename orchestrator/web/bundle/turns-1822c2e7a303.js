import{h as t,f as s,k as a,l as e,t as n,q as $}from"./page-799df8a065e9.js";import{MISSING_STATES as l}from"./panel-words-b435136afaa5.js";function r({agent:s,face:{speakers:a,title:e}}){const{stage:l,turns:r}=s,o=n(l)?-1:r.findLastIndex(t=>n(t.stage));return t`${r.map((s,a)=>t`<${i} key=${a} turn=${s} name=${$(s)} open=${a===o} />`)}
${a.includes(s.agent_id)?t`<p class="hint">Has the last word, above.</p>`:t`${r.length>0&&t`<h3 class="stage-name">${$(s)}</h3>`}
<${c} agent=${s} lettered=${!n(l)} title=${e} />`}`}function i({turn:{status:n,text:$},name:l,open:r=!1}){const[i,c]=a[n];return t`<details class="part speech" open=${r}>
<summary><strong>${l}</strong> <span class="hint">${"done"===n?`${s($.length)} characters`:`${i} ${c}`}</span></summary>
<div class="speech-text"><${e} text=${$} ended=${!0} /></div>
</details>`}function c({agent:{inputs:a,missing:e},lettered:n,title:$}){return a.length+e.length===0?null:t`<ul class="inputs" aria-label="Read">
${a.map(({agent:a,chars:e,of_chars:l},r)=>t`<li key=${a} class=${void 0===l?"":"cut"}>
${n&&t`<b>${String.fromCharCode(65+r%26)}</b>`} ${$(a)}${" "}
<span class="hint">${void 0===l?s(e):`cut: ${s(e)} of ${s(l)}`} chars</span>
</li>`)}
${e.map(({agent:s,status:a})=>t`<li key=${s} class="without">${$(s)} <span class="hint">${l[a]}</span></li>`)}
</ul>`}export{i as EarlierSpeech,c as Inputs,r as Turns};
