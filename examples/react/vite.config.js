import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

// The page and the API on one origin, so that nothing has to be allowed; in production your proxy does the same.
const target = process.env.ORCHESTRATOR_SERVER ?? 'http://127.0.0.1:8080';

// The Host stays the browser's (Vite's short form would change it): the server refuses pages of other origins.
const proxy = { '/v1': { target, changeOrigin: false } };

export default defineConfig({
  plugins: [react()],
  // The client lies outside this folder, and takes the React of this one.
  resolve: { dedupe: ['react'] },
  server: {
    host: '127.0.0.1',
    fs: { allow: ['.', '../../orchestrator/web/client'] },
    proxy,
  },
  preview: { host: '127.0.0.1', proxy },
});
