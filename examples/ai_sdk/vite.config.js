// Serves the page and the API on one origin, so that nothing has to be allowed; in production your proxy does the same.
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

const target = process.env.ORCHESTRATOR_SERVER ?? 'http://127.0.0.1:8080';

// The Host stays the browser's (Vite's short form would change it): the server refuses pages of other origins.
export default defineConfig({
  plugins: [react()],
  server: { host: '127.0.0.1', proxy: { '/v1': { target, changeOrigin: false } } },
});
