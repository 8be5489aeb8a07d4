import{u as e,I as a,l,h as t}from"./page-04db0521df04.js";const n=[.5,1,2,5];function s({replay:s,leave:p}){const{t:o,playing:u,speed:i}=e(s.subscribe,s.getView);return t`<div class="replay" role="group" aria-label="Replay">
<${a}
icon=${u?"pause":"play"}
filled
label=${u?"Pause":"Play"}
onClick=${()=>u?s.pause():s.play()}
/>
<input
type="range"
aria-label="Position"
aria-valuetext=${`${l(o)} of ${l(s.length)}`}
min="0"
max=${s.length}
value=${o}
onInput=${e=>s.seek(Number(e.target.value))}
/>
<span class="hint">${l(o)} / ${l(s.length)}</span>
<label class="speed"><span class="unseen">Speed</span>
<select value=${String(i)} onChange=${e=>s.setSpeed(Number(e.target.value))}>
${n.map(e=>t`<option key=${e} value=${String(e)}>${e}×</option>`)}
</select>
</label>
<button type="button" class="menu-button" onClick=${p}>Leave replay</button>
</div>`}export{s as ReplayBar};
