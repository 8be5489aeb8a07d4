import{useValue as e,IconButton as a,duration as l,html as t}from"./page.js";const n=[.5,1,2,5];function s({replay:s,leave:p}){const{t:o,playing:i,speed:u}=e(s.subscribe,s.getView);return t`<div class="replay" role="group" aria-label="Replay">
<${a}
icon=${i?"pause":"play"}
filled
label=${i?"Pause":"Play"}
onClick=${()=>i?s.pause():s.play()}
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
<select value=${String(u)} onChange=${e=>s.setSpeed(Number(e.target.value))}>
${n.map(e=>t`<option key=${e} value=${String(e)}>${e}×</option>`)}
</select>
</label>
<button type="button" class="menu-button" onClick=${p}>Leave replay</button>
</div>`}export{s as ReplayBar};
