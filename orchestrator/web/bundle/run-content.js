import{html as e,pretty as t}from"./page.js";function n({agent:t}){const{progress:n,data:i,sources:o,files:u}=t.content;return e`${("running"===t.status||"cancelling"===t.status)&&n.map(t=>e`<${a} key=${t.progress_id??""} bar=${t} />`)}
${u.map((t,n)=>e`<${r} key=${`${t.file_id}-${n}`} file=${t} />`)}
${i.map((t,n)=>e`<${l} key=${`data-${n}`} name=${t.name} value=${t.value} />`)}
${"output"in t.content&&e`<${l} name="Structured answer" value=${t.content.output} />`}
${o.length>0&&e`<ol class="sources" aria-label="Sources">
${o.map((t,n)=>e`<li key=${n}><${s} source=${t} /></li>`)}
</ol>`}`}function a({bar:{label:t,fraction:n,step:a,steps:r}}){const s=n??(null!=a&&r?a/r:null),l=null==a?null==s?"":`${Math.round(100*s)} %`:r?`${a} of ${r}`:String(a);return e`<div class="progress">
<span>${t}</span> <span class="hint">${l}</span>
<progress aria-label=${t||"Progress"} max="1" value=${s??void 0} />
</div>`}function r({file:{name:t,media_type:n,url:a}}){const r=/^data:/i.test(a),s=r&&/^image\/(png|jpeg|gif|webp|avif)/i.test(n)&&/^data:image\//i.test(a),l=r||/^https:\/\//i.test(a);return e`<figure class="file">
${s&&e`<img src=${a} alt=${t} />`}
<figcaption>
${l?e`<a href=${a} download=${r?t:void 0} target="_blank" rel="noopener noreferrer">${t}</a>`:t}
<span class="hint"> ${n}</span>
</figcaption>
</figure>`}function s({source:{url:t,document:n,title:a,quote:r}}){const s=a||t||n||"",l=null!=t&&/^https?:\/\//i.test(t);return e`${l?e`<a href=${t} target="_blank" rel="noopener noreferrer">${s}</a>`:s}
${r&&e`<q class="hint">${r}</q>`}`}function l({name:n,value:a}){const r=i(a);return e`<details class="part data">
<summary><code>${n}</code> <span class="hint">${JSON.stringify(a)?.slice(0,60)}</span></summary>
<div class="part-text">
${null===r?e`<pre tabindex="0">${t(JSON.stringify(a))}</pre>`:e`<table>
<thead><tr>${r.keys.map(t=>e`<th key=${t}>${t}</th>`)}</tr></thead>
<tbody>
${r.items.map((t,n)=>e`<tr key=${n}>${r.keys.map(n=>e`<td key=${n}>${function(e){return null==e?"":String(e)}(t[n])}</td>`)}</tr>`)}
</tbody>
</table>`}
</div>
</details>`}function i(e){if(!Array.isArray(e)||0===e.length||e.length>200)return null;if(!e.every(e=>null!==e&&"object"==typeof e&&!Array.isArray(e)&&Object.values(e).every(e=>null===e||"object"!=typeof e)))return null;const t=[...new Set(e.flatMap(e=>Object.keys(e)))];return t.length>0&&t.length<=12?{keys:t,items:e}:null}export{n as Content,i as tableOf};
