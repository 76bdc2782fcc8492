// The OpenID Connect provider of the suite: https://github.com/panva/node-oidc-provider with accounts, a login form, a
// consent form, and one public client with PKCE. `node provider.mjs SETTINGS` reads the JSON file SETTINGS, serves, and
// obeys commands on standard input, one JSON object per line. At the end of standard input the provider ends.
import { Buffer } from 'node:buffer';
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { createInterface } from 'node:readline';

import Provider from 'oidc-provider';
import { createMemoryAdapter } from 'oidc-provider/lib/adapters/memory_adapter.js';

const settings = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const accounts = new Map(Object.entries(settings.accounts));
const adapter = createMemoryAdapter();
let life = settings.life;
let provider = withNewKey();

// A provider that signs with a new key and publishes no other. Sessions and refresh tokens stay.
function withNewKey() {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const key = { ...privateKey.export({ format: 'jwk' }), kid: randomUUID(), use: 'sig', alg: 'RS256' };
  return new Provider(settings.issuer, {
    adapter,
    jwks: { keys: [key] },
    clients: [{
      client_id: settings.client,
      application_type: 'native',
      token_endpoint_auth_method: 'none',
      redirect_uris: settings.redirects,
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
    }],
    scopes: ['openid', 'offline_access', 'groups'],
    claims: { openid: ['sub'], groups: ['groups'] },
    // kubectl sends the ID token, so the groups have to be in it.
    conformIdTokenClaims: false,
    pkce: { required: () => true },
    features: { devInteractions: { enabled: false } },
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
    cookies: { keys: [randomUUID()] },
    ttl: { AccessToken: 60, IdToken: () => life, RefreshToken: 3600, Grant: 3600, Interaction: 600, Session: 3600 },
    // A locked person exists no more: no login, no refresh.
    findAccount(_, id) {
      const account = [...accounts.values()].find(({ sub }) => sub === id);
      if (!account || account.locked) return undefined;
      return { accountId: id, claims: () => ({ sub: id, groups: account.groups }) };
    },
  });
}

const show = (response, status, title, fields) => {
  response.writeHead(status, { 'Content-Type': 'text/html; charset=utf-8' });
  response.end(`<!doctype html><title>${title}</title><h1>${title}</h1><form method="post">${fields}</form>`);
};
const LOGIN = '<input name="name"><input name="password" type="password"><button>Log in</button>';

async function fieldsOf(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return new URLSearchParams(Buffer.concat(parts).toString());
}

async function interact(request, response) {
  const { prompt, params, session, grantId } = await provider.interactionDetails(request, response);
  const asked = request.method === 'GET';
  if (prompt.name === 'login') {
    if (asked) return show(response, 200, 'Who are you?', LOGIN);
    const fields = await fieldsOf(request);
    const account = accounts.get(fields.get('name'));
    if (!account || account.password !== fields.get('password')) return show(response, 401, 'Wrong password', LOGIN);
    if (account.locked) return show(response, 403, 'The account is locked', '');
    const result = { login: { accountId: account.sub } };
    return provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
  }
  if (asked) return show(response, 200, 'May the client know your groups?', '<button name="consent" value="yes">Yes</button>');
  const grant = grantId ? await provider.Grant.find(grantId)
    : new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  grant.addOIDCScope((prompt.details.missingOIDCScope ?? []).join(' '));
  const result = { consent: { grantId: await grant.save() } };
  return provider.interactionFinished(request, response, result, { mergeWithLastSubmission: true });
}

const COMMANDS = {
  rotate() { provider = withNewKey(); },
  life(seconds) { life = seconds; },
  lock(name) { accounts.get(name).locked = true; },
};

const tls = { cert: readFileSync(settings.certificate), key: readFileSync(settings.key) };
const server = createServer(tls, (request, response) => {
  if (!request.url.startsWith('/interaction/')) return provider.callback()(request, response);
  return interact(request, response).catch((error) => {
    console.error(error);
    show(response, 400, 'This login is not known', '');
  });
});
server.listen(settings.port, settings.address, () => console.log('ready'));

createInterface({ input: process.stdin })
  .on('line', (line) => {
    const { number, command, argument } = JSON.parse(line);
    COMMANDS[command](argument);
    console.log(`done ${number}`);
  })
  .on('close', () => process.exit(0));
