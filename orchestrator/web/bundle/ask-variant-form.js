import{Dialog as e}from"./dialogs.js";import{d as t,T as n,A as r,html as a}from"./page.js";function s(e,t){const n={};for(const{key:r,type:a}of e){const e=t(r).trim();if(""===e)continue;const[s="",l]=r.split("."),o=i(r,a,e);n[s]=void 0===l?o:{...n[s],[l]:o}}return n}function i(e,t,n){if("text"===t)return n;if("number"===t||"integer"===t)return Number(n);try{return JSON.parse(n)}catch{throw new Error(`${l(e)}: this is no JSON.`)}}function l(e){const t=e.replace("model_settings.","").replaceAll("_"," ");return t.charAt(0).toUpperCase()+t.slice(1)}function o({agent:i,changes:o,taken:c,take:p,close:$}){const[f,m]=t(""),g=n(null);r(()=>g.current?.querySelector("input")?.select(),[]);const y=i.variants??[];return a`<${e} title=${`${i.title} with other settings`} close=${$}>
<form ref=${g} class="variant-form" onSubmit=${e=>{e.preventDefault();try{p({agent_id:i.agent_id,as:e.target.elements.as.value.trim(),...s(y,t=>e.target.elements[t].value)})}catch(e){m(e.message)}}}>
<label>Name<input name="as" required maxlength="64" pattern="[a-z0-9][a-z0-9_\\-]*" title="a-z, 0-9, _ and -" defaultValue=${function(e,t){for(let n=2;;n+=1){const r=`${e.slice(0,60)}-${n}`;if(!t.includes(r))return r}}(i.agent_id,c)} /></label>
${y.map(e=>a`<label key=${e.key}>${l(e.key)}<${u} field=${e} value=${function(e,t){return t.split(".").reduce((e,t)=>e?.[t],e)}(o,e.key)} /></label>`)}
<p class="hint">What is left empty stays as it is.</p>
${""!==f&&a`<p class="error" role="alert">${f}</p>`}
<button class="ask">Ask with these</button>
</form>
<//>`}function u({field:{key:e,type:t,choices:n},value:r}){const s=void 0===r?"":"string"==typeof r?r:JSON.stringify(r),i="boolean"===t?["true","false"]:n;return i.length>0?a`<select name=${e}>
<option value="">as it is</option>
${i.map(e=>a`<option key=${e} value=${e} selected=${e===s}>${e}</option>`)}
</select>`:"number"===t||"integer"===t?a`<input name=${e} type="number" step=${"integer"===t?1:"any"} defaultValue=${s} />`:a`<textarea name=${e} rows=${"json"===t?2:5} spellcheck=${"text"===t} defaultValue=${s}></textarea>`}export{o as VariantForm};
