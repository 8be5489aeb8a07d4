import{Dialog as e}from"./dialogs.js";import{d as t,html as n}from"./page.js";function a(e,t){const n={};for(const{key:a,type:s}of e){const e=t(a).trim();if(""===e)continue;const[i="",l]=a.split("."),o=r(a,s,e);n[i]=void 0===l?o:{...n[i],[l]:o}}return n}function r(e,t,n){if("text"===t)return n;if("number"===t||"integer"===t)return Number(n);try{return JSON.parse(n)}catch{throw new Error(`${s(e)}: this is no JSON.`)}}function s(e){const t=e.replace("model_settings.","").replaceAll("_"," ");return t.charAt(0).toUpperCase()+t.slice(1)}function i({agent:r,changes:i,taken:o,take:u,close:c}){const[p,$]=t(""),f=r.variants??[];return n`<${e} title=${`${r.title} with other settings`} close=${c}>
<form class="variant-form" onSubmit=${e=>{e.preventDefault();try{u({agent_id:r.agent_id,as:e.target.elements.as.value.trim(),...a(f,t=>e.target.elements[t].value)})}catch(e){$(e.message)}}}>
<label>Name<input name="as" required maxlength="64" pattern="[a-z0-9][a-z0-9_\\-]*" title="a-z, 0-9, _ and -" defaultValue=${function(e,t){for(let n=2;;n+=1){const a=`${e.slice(0,60)}-${n}`;if(!t.includes(a))return a}}(r.agent_id,o)} /></label>
${f.map(e=>n`<label key=${e.key}>${s(e.key)}<${l} field=${e} value=${function(e,t){return t.split(".").reduce((e,t)=>e?.[t],e)}(i,e.key)} /></label>`)}
<p class="hint">What is left empty stays as it is.</p>
${""!==p&&n`<p class="error" role="alert">${p}</p>`}
<button class="ask">Ask with these</button>
</form>
<//>`}function l({field:{key:e,type:t,choices:a},value:r}){const s=void 0===r?"":"string"==typeof r?r:JSON.stringify(r),i="boolean"===t?["true","false"]:a;return i.length>0?n`<select name=${e}>
<option value="">as it is</option>
${i.map(e=>n`<option key=${e} value=${e} selected=${e===s}>${e}</option>`)}
</select>`:"number"===t||"integer"===t?n`<input name=${e} type="number" step=${"integer"===t?1:"any"} defaultValue=${s} />`:n`<textarea name=${e} rows=${"json"===t?2:5} spellcheck=${"text"===t} defaultValue=${s}></textarea>`}export{i as VariantForm};
