// The certified provider (npm oidc-provider) as the tests need it.
//
//   node server.mjs CONFIG.json
//
// CONFIG: { port, thinTokens, persons: [{sub, email, email_verified, ...}], clients: [metadata] }
// port 0 takes a free one. Prints one line of JSON, {"issuer": ...}, when it answers.
// POST /_test/clients and /_test/persons add to the tables; only loopback can reach them.

import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';

import { generateKeyPair, exportJWK } from 'jose';
import { Provider } from 'oidc-provider';

const config = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const clients = new Map((config.clients ?? []).map((client) => [client.client_id, client]));
const persons = new Map((config.persons ?? []).map((person) => [person.sub, person]));
const stores = new Map();

class Store {
  constructor(name) {
    this.name = name;
    if (!stores.has(name)) stores.set(name, new Map());
    this.rows = stores.get(name);
  }

  // A client's metadata: read anew each time, so that a test can add one while the server runs.
  async find(id) {
    return this.name === 'Client' ? clients.get(id) : this.rows.get(id);
  }

  async findByUid(uid) {
    return [...this.rows.values()].find((row) => row.uid === uid);
  }

  async findByUserCode() {
    return undefined;
  }

  async upsert(id, payload) {
    this.rows.set(id, payload);
  }

  async consume(id) {
    this.rows.get(id).consumed = Math.floor(Date.now() / 1000);
  }

  async destroy(id) {
    this.rows.delete(id);
  }

  async revokeByGrantId(grantId) {
    for (const [id, row] of this.rows) if (row.grantId === grantId) this.rows.delete(id);
  }
}

async function signingKeys() {
  const keys = [];
  for (const [alg, kid] of [['RS256', 'rsa-1'], ['ES256', 'ec-1'], ['PS256', 'rsa-2']]) {
    const { privateKey } = await generateKeyPair(alg, { extractable: true });
    keys.push({ ...(await exportJWK(privateKey)), alg, kid, use: 'sig' });
  }
  return keys;
}

const escape = (text) => String(text).replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);

function page(response, status, title, body) {
  response.writeHead(status, { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' });
  response.end(`<!doctype html><html lang="en"><head><meta charset="utf-8"><title>${escape(title)}</title>
<meta name="viewport" content="width=device-width"></head><body><h1>${escape(title)}</h1>${body}</body></html>`);
}

async function readBody(request) {
  let text = '';
  for await (const chunk of request) text += chunk;
  return text;
}

const keys = await signingKeys();
const server = createServer();
await new Promise((resolve) => { server.listen(config.port ?? 0, '127.0.0.1', resolve); });
const issuer = `http://127.0.0.1:${server.address().port}`;

const provider = new Provider(issuer, {
  adapter: Store,
  jwks: { keys },
  cookies: { keys: ['only-for-tests'] },
  claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name', 'preferred_username'] },
  scopes: ['openid', 'email', 'profile', 'offline_access'],
  // true: the ID token of the code flow is thin (no email), as the specification and Okta have it.
  conformIdTokenClaims: Boolean(config.thinTokens),
  pkce: { required: () => true },
  enabledJWA: {
    idTokenSigningAlgValues: ['RS256', 'PS256', 'ES256'],
  },
  features: {
    devInteractions: { enabled: false },
    userinfo: { enabled: true },
    rpInitiatedLogout: { enabled: true },
  },
  interactions: { url: (ctx, interaction) => `/interaction/${interaction.uid}` },
  findAccount: (ctx, id) => {
    const person = persons.get(id);
    return person && { accountId: id, claims: () => person };
  },
  // Consent is automatic: whatever was asked for is granted.
  loadExistingGrant: async (ctx) => {
    const { client, session, params } = ctx.oidc;
    const known = session.grantIdFor(client.clientId);
    const grant = (known && (await ctx.oidc.provider.Grant.find(known)))
      || new ctx.oidc.provider.Grant({ clientId: client.clientId, accountId: session.accountId });
    grant.addOIDCScope(params.scope ?? 'openid');
    await grant.save();
    return grant;
  },
  renderError: (ctx, out) => {
    ctx.type = 'html';
    ctx.body = `<!doctype html><html lang="en"><head><title>${escape(out.error)}</title></head><body>
<h1>${escape(out.error)}</h1><p>${escape(out.error_description ?? '')}</p></body></html>`;
  },
});
provider.on('server_error', (ctx, error) => { console.error(error); });
const answer = provider.callback();

async function interaction(request, response, uid, action) {
  const details = await provider.interactionDetails(request, response);
  if (request.method === 'GET') {
    const buttons = [...persons.values()].map((person) => `<li><button name="login"
 value="${escape(person.sub)}">${escape(person.email ?? person.sub)}</button></li>`).join('');
    const hint = escape(details.params.login_hint ?? '');
    page(response, 200, 'Sign in', `
<form method="post" action="/interaction/${uid}/login">
  <p><label>Email or subject <input name="typed" autocomplete="username" value="${hint}"></label>
  <button name="login" value="">Sign in</button></p>
  <ul>${buttons}</ul>
</form>
<form method="post" action="/interaction/${uid}/abort"><button>Cancel</button></form>`);
    return;
  }
  if (action === 'abort') {
    await provider.interactionFinished(
      request,
      response,
      { error: 'access_denied', error_description: 'End-User aborted interaction' },
      { mergeWithLastSubmission: false },
    );
    return;
  }
  const form = new URLSearchParams(await readBody(request));
  const name = form.get('login') || form.get('typed');
  const person = persons.get(name) ?? [...persons.values()].find((one) => one.email === name);
  if (!person) {
    page(response, 400, 'Nobody has this name', `<p><a href="/interaction/${uid}">Back</a></p>`);
    return;
  }
  await provider.interactionFinished(
    request,
    response,
    { login: { accountId: person.sub, remember: false } },
    { mergeWithLastSubmission: false },
  );
}

async function control(request, response, table) {
  const entry = JSON.parse(await readBody(request));
  if (table === 'clients') clients.set(entry.client_id, entry);
  else persons.set(entry.sub, entry);
  response.writeHead(204).end();
}

server.on('request', (request, response) => {
  const path = new URL(request.url, issuer).pathname.split('/');
  const handle = async () => {
    if (path[1] === '_test' && request.method === 'POST') await control(request, response, path[2]);
    else if (path[1] === 'interaction') await interaction(request, response, path[2], path[3]);
    else await answer(request, response);
  };
  handle().catch((error) => page(response, 400, 'This sign-in cannot go on', `<p>${escape(error.message)}</p>`));
});

console.log(JSON.stringify({ issuer }));
