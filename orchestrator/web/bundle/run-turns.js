import{html as t,count as s,AGENT_STATES as e,Answer as a,isAnswer as n,stageWord as $}from"./page.js";import{MISSING_STATES as l}from"./panel-words.js";function r({agent:s,face:{speakers:e,title:a}}){const{stage:l,turns:r}=s,o=n(l)?-1:r.findLastIndex(t=>n(t.stage));return t`${r.map((s,e)=>t`<${i} key=${e} turn=${s} name=${$(s)} open=${e===o} />`)}
${e.includes(s.agent_id)?t`<p class="hint">Has the last word, above.</p>`:t`${r.length>0&&t`<h3 class="stage-name">${$(s)}</h3>`}
<${c} agent=${s} lettered=${!n(l)} title=${a} />`}`}function i({turn:{status:n,text:$},name:l,open:r=!1}){const[i,c]=e[n];return t`<details class="part speech" open=${r}>
<summary><strong>${l}</strong> <span class="hint">${"done"===n?`${s($.length)} characters`:`${i} ${c}`}</span></summary>
<div class="speech-text"><${a} text=${$} ended=${!0} /></div>
</details>`}function c({agent:{inputs:e,missing:a},lettered:n,title:$}){return e.length+a.length===0?null:t`<ul class="inputs" aria-label="Read">
${e.map(({agent:e,chars:a,of_chars:l},r)=>t`<li key=${e} class=${void 0===l?"":"cut"}>
${n&&t`<b>${String.fromCharCode(65+r%26)}</b>`} ${$(e)}${" "}
<span class="hint">${void 0===l?s(a):`cut: ${s(a)} of ${s(l)}`} chars</span>
</li>`)}
${a.map(({agent:s,status:e})=>t`<li key=${s} class="without">${$(s)} <span class="hint">${l[e]}</span></li>`)}
</ul>`}export{i as EarlierSpeech,c as Inputs,r as Turns};
