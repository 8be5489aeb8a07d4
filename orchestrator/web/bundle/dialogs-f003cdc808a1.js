import{d as e,T as t,A as o,h as s,I as l}from"./page-799df8a065e9.js";const n=[["Ctrl + Enter","Ask"],["Esc","Stop the agent whose column has the focus"],["Shift + Esc","Stop all"],["1 – 9","Go to a column"],["M","Maximise the column, or show all again"],["/","Go to the question"],["?","This help"]];function a({close:e,forgetToken:t}){return s`<${r} title="Keys" close=${e}>
<table class="keys">
<tbody>
${n.map(([e,t])=>s`<tr key=${e}><th scope="row"><kbd>${e}</kbd></th><td>${t}</td></tr>`)}
</tbody>
</table>
<p class="hint">
<a href="docs">The API</a> · <a href="web/vendor/manifest.json">Libraries of this page</a>
</p>
${t&&s`<button type="button" class="menu-button" onClick=${t}>Forget the token</button>`}
<//>`}function i({refused:l,unlock:n}){const[a,i]=e(""),[r,c]=e(!1),h=t(null);return o(()=>h.current?.focus(),[l]),s`<form class="token" onSubmit=${e=>{e.preventDefault(),""!==a.trim()&&n(a.trim(),r)}}>
<h2>This server asks for a token</h2>
<p class="hint">It was given to <code>orchestrator serve</code> as <code>--token</code> or <code>ORCHESTRATOR_TOKEN</code>.</p>
${l&&s`<p class="error" role="alert">That token is not right.</p>`}
<label for="token">Token</label>
<input id="token" ref=${h} type="password" autocomplete="off" value=${a} onInput=${e=>i(e.target.value)} />
<label class="check">
<input type="checkbox" checked=${r} onChange=${()=>c(!r)} /> Keep it on this device
</label>
<p class="hint">
${r?"Kept in this browser’s local storage until you take it away.":"Kept in this tab until it is closed."}
</p>
<button class="ask" disabled=${""===a.trim()}>Continue</button>
</form>`}function r({title:e,close:n,children:a}){const i=t(null);return o(()=>i.current?.showModal(),[]),s`<dialog ref=${i} aria-labelledby="dialog-title" onClose=${n} onClick=${e=>e.target===i.current&&n()}>
<div class="dialog-head">
<h2 id="dialog-title">${e}</h2>
<${l} icon="close" label="Close" onClick=${n} />
</div>
${a}
</dialog>`}export{i as AskToken,a as Help};
