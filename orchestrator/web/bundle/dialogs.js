import{d as e,T as t,A as o,html as n,IconButton as s,settings as a}from"./page.js";import{ask as l}from"./history-other-tabs.js";const i=[["Ctrl + Enter","Ask"],["Esc, Esc","Stop the agent whose column has the focus"],["Shift + Esc, twice","Stop all"],["1 – 9","Go to a column"],["M","Maximise the column, or show all again"],["/","Go to the question"],["?","This help"]];function r({close:e,forgetToken:t}){return n`<${d} title="Keys" close=${e}>
<table class="keys">
<tbody>
${i.map(([e,t])=>n`<tr key=${e}><th scope="row"><kbd>${e}</kbd></th><td>${t}</td></tr>`)}
</tbody>
</table>
<${h} />
<p class="hint">
<a href="docs">The API</a> · <a href="web/vendor/manifest.json">Libraries of this page</a>
</p>
${t&&n`<button type="button" class="menu-button" onClick=${t}>Forget the token</button>`}
<//>`}const c=[["enterSends","Enter asks, Shift + Enter breaks the line"],["singleKeys","Keys without Ctrl: 1 – 9, M, / and ?"],["notify","A notification when an agent waits for you"]];function h(){const[t,o]=e(a.get);return n`<fieldset class="settings">
<legend class="unseen">Settings</legend>
${c.map(([e,s])=>n`<label class="check" key=${e}>
<input type="checkbox" checked=${t[e]} onChange=${()=>(async e=>{const n=!t[e];("notify"!==e||!n||"Notification"in globalThis&&"granted"===await Notification.requestPermission())&&a.set({[e]:n}),o(a.get())})(e)} /> ${s}
</label>`)}
</fieldset>`}function u({refused:s,unlock:a}){const[i,r]=e(""),[c,h]=e(!1),u=t(null);return o(()=>{u.current?.focus(),s||l().then(e=>null!==e&&a(e,!1))},[s]),n`<form class="token" onSubmit=${e=>{e.preventDefault(),""!==i.trim()&&a(i.trim(),c)}}>
<h1>This server asks for a token</h1>
<p class="hint">It was given to <code>orchestrator serve</code> as <code>--token</code> or <code>ORCHESTRATOR_TOKEN</code>.</p>
${s&&n`<p class="error" role="alert">That token is not right.</p>`}
<label for="token">Token</label>
<input id="token" ref=${u} type="password" autocomplete="off" value=${i} onInput=${e=>r(e.target.value)} />
<label class="check">
<input type="checkbox" checked=${c} onChange=${()=>h(!c)} /> Keep it on this device
</label>
<p class="hint">
${c?"Kept in this browser’s local storage until you take it away.":"Kept in this browser’s open tabs until they are closed."}
</p>
<button class="ask" disabled=${""===i.trim()}>Continue</button>
</form>`}function d({title:e,close:a,children:l}){const i=t(null);return o(()=>i.current?.showModal(),[]),n`<dialog ref=${i} aria-labelledby="dialog-title" onClose=${a} onClick=${e=>e.target===i.current&&a()}>
<div class="dialog-head">
<h2 id="dialog-title">${e}</h2>
<${s} icon="close" label="Close" onClick=${a} />
</div>
${l}
</dialog>`}export{u as AskToken,d as Dialog,r as Help};
