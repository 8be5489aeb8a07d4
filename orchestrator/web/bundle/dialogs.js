import{d as e,T as t,A as o,html as s,IconButton as l}from"./page.js";import{ask as n}from"./history-other-tabs.js";const a=[["Ctrl + Enter","Ask"],["Esc","Stop the agent whose column has the focus"],["Shift + Esc","Stop all"],["1 – 9","Go to a column"],["M","Maximise the column, or show all again"],["/","Go to the question"],["?","This help"]];function r({close:e,forgetToken:t}){return s`<${c} title="Keys" close=${e}>
<table class="keys">
<tbody>
${a.map(([e,t])=>s`<tr key=${e}><th scope="row"><kbd>${e}</kbd></th><td>${t}</td></tr>`)}
</tbody>
</table>
<p class="hint">
<a href="docs">The API</a> · <a href="web/vendor/manifest.json">Libraries of this page</a>
</p>
${t&&s`<button type="button" class="menu-button" onClick=${t}>Forget the token</button>`}
<//>`}function i({refused:l,unlock:a}){const[r,i]=e(""),[c,h]=e(!1),u=t(null);return o(()=>{u.current?.focus(),l||n().then(e=>null!==e&&a(e,!1))},[l]),s`<form class="token" onSubmit=${e=>{e.preventDefault(),""!==r.trim()&&a(r.trim(),c)}}>
<h1>This server asks for a token</h1>
<p class="hint">It was given to <code>orchestrator serve</code> as <code>--token</code> or <code>ORCHESTRATOR_TOKEN</code>.</p>
${l&&s`<p class="error" role="alert">That token is not right.</p>`}
<label for="token">Token</label>
<input id="token" ref=${u} type="password" autocomplete="off" value=${r} onInput=${e=>i(e.target.value)} />
<label class="check">
<input type="checkbox" checked=${c} onChange=${()=>h(!c)} /> Keep it on this device
</label>
<p class="hint">
${c?"Kept in this browser’s local storage until you take it away.":"Kept in this browser’s open tabs until they are closed."}
</p>
<button class="ask" disabled=${""===r.trim()}>Continue</button>
</form>`}function c({title:e,close:n,children:a}){const r=t(null);return o(()=>r.current?.showModal(),[]),s`<dialog ref=${r} aria-labelledby="dialog-title" onClose=${n} onClick=${e=>e.target===r.current&&n()}>
<div class="dialog-head">
<h2 id="dialog-title">${e}</h2>
<${l} icon="close" label="Close" onClick=${n} />
</div>
${a}
</dialog>`}export{i as AskToken,r as Help};
