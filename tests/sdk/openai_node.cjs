// The official OpenAI client for Node, against tollgate in front of its simulator; see openai_python.py.
'use strict';

const assert = require('node:assert/strict');
// What the client uploads with; global since Node 20, and Debian 12 has 18.
globalThis.File ??= require('node:buffer').File;
const OpenAI = require('openai');

const { TOLLGATE_URL: url, TOLLGATE_KEY: apiKey } = process.env;
const direct = process.env.SDK_DIRECT === '1';
const options = { apiKey, baseURL: `${url}/v1`, maxRetries: 0, timeout: 20_000 };
const client = new OpenAI(options);
const messages = [{ role: 'user', content: 'Say something in a few words.' }];
const tools = [
  {
    type: 'function',
    function: { name: 'get_weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } },
  },
];
const chat = (model, more = {}) => client.chat.completions.create({ model, messages, ...more });

async function collect(stream) {
  const chunks = [];
  for await (const chunk of await stream) chunks.push(chunk);
  return chunks;
}

async function admin(path, fields) {
  const headers = { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' };
  const answer = await fetch(url + path, { method: 'POST', headers, body: JSON.stringify(fields) });
  assert.equal(answer.status, 200, `${path}: ${answer.status}`);
  return answer.json();
}

/** A client with a new key. */
const minted = async (fields = {}) =>
  new OpenAI({ ...options, apiKey: (await admin('/key/generate', fields)).key });
const ask = (user, more = {}) => user.chat.completions.create({ model: 'sim', messages, ...more });

/** The error that the call ends in; it must be of this very class. */
async function raises(Kind, call, status, says = '') {
  const error = await call().then(
    () => assert.fail(`no ${Kind.name}`),
    (error) => error,
  );
  assert.equal(error.constructor, Kind, `${error.constructor.name}: ${error.message}`);
  if (status) assert.equal(error.status, status);
  assert.ok(error.message.includes(says), `${says} is not in ${error.message}`);
  return error;
}

const upstream = [
  ['sim-400', OpenAI.BadRequestError, 400, 'litellm.BadRequestError'],
  ['sim-401', OpenAI.AuthenticationError, 401, 'litellm.AuthenticationError'],
  ['sim-404', OpenAI.NotFoundError, 404, 'litellm.NotFoundError'],
  ['sim-429', OpenAI.RateLimitError, 429, 'litellm.RateLimitError'],
  ['sim-500', OpenAI.InternalServerError, 500, 'litellm.InternalServerError'],
  ['sim-context', OpenAI.BadRequestError, 400, 'ContextWindowExceededError'],
];

const sound = Buffer.alloc(10_000, 'toll');
const file = (name = 'a.mp3', bytes = sound) => OpenAI.toFile(bytes, name);

const cases = {
  async speech() {
    const said = await client.audio.speech.create({ model: 'sim', voice: 'alloy', input: 'hello' });
    assert.equal(said.headers.get('content-type'), 'audio/mpeg');
    assert.ok(Buffer.from(await said.arrayBuffer()).toString('latin1').startsWith('sim:alloy:hello:'));
  },

  // This client sends the file before the model.
  async transcriptions() {
    const ask = async (more = {}) =>
      client.audio.transcriptions.create({ file: await file(), model: 'sim', ...more });
    assert.equal((await ask()).text, 'Every call pays its toll.');
    assert.ok((await ask({ response_format: 'srt' })).includes('-->'));
    assert.equal((await ask({ response_format: 'verbose_json' })).duration, 2.5);
    const events = await collect(ask({ stream: true }));
    assert.equal(events.at(-1).type, 'transcript.text.done');
    const long = await client.audio.transcriptions.create({
      file: await file('long.mp3', Buffer.alloc(12_000_000, 'toll')),
      model: 'sim',
    });
    assert.equal(long.sim.files[0].bytes, 12_000_000);
    assert.equal(long.sim.model, 'sim');
    assert.ok((await client.audio.translations.create({ file: await file(), model: 'sim' })).text);
  },

  async images() {
    const made = await client.images.generate({ model: 'sim', prompt: 'a toll house', n: 2 });
    assert.equal(made.data.length, 2);
    const image = await OpenAI.toFile(sound, 'a.png', { type: 'image/png' });
    assert.ok((await client.images.edit({ image, prompt: 'a hat', model: 'sim' })).data[0].b64_json);
    assert.ok((await client.images.createVariation({ image, model: 'sim' })).data[0].b64_json);
  },

  async moderations() {
    const { results } = await client.moderations.create({ model: 'sim', input: 'violence' });
    assert.equal(results[0].flagged, true);
  },

  async 'files and batches'() {
    const body = { model: 'sim', messages };
    const line = `${JSON.stringify({ custom_id: 'a', method: 'POST', url: '/v1/chat/completions', body })}\n`;
    const input = await client.files.create({ file: await file('in.jsonl', Buffer.from(line)), purpose: 'batch' });
    const batch = await client.batches.create({
      input_file_id: input.id,
      endpoint: '/v1/chat/completions',
      completion_window: '24h',
    });
    const done = await client.batches.retrieve(batch.id);
    assert.equal(done.status, 'completed');
    assert.equal(await (await client.files.content(done.output_file_id)).text(), line);
    assert.equal((await client.files.delete(input.id)).deleted, true);
    await raises(OpenAI.NotFoundError, () => client.files.retrieve(input.id), 404);
  },

  async 'chat completion'() {
    const answer = await chat('sim');
    assert.equal(answer.model, 'sim');
    assert.ok(answer.choices[0].message.content);
    assert.equal(answer.choices[0].finish_reason, 'stop');
    assert.equal(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens);
  },

  async 'stream arrives delta by delta'() {
    const arrivals = [];
    const finish = [];
    let text = '';
    for await (const chunk of await chat('sim-gap=60', { stream: true })) {
      assert.ok(!chunk.usage, 'usage was not asked for');
      const [choice] = chunk.choices;
      if (choice.delta.content) arrivals.push(performance.now());
      text += choice.delta.content ?? '';
      if (choice.finish_reason) finish.push(choice.finish_reason);
    }
    assert.deepEqual(finish, ['stop']);
    const gaps = arrivals.slice(1).map((at, n) => at - arrivals[n]);
    assert.ok(gaps.length >= 3 && gaps.filter((gap) => gap > 20).length >= gaps.length / 2, `together: ${gaps}`);
    assert.equal(text, (await chat('sim-gap=60')).choices[0].message.content);
  },

  async 'stream with usage'() {
    const chunks = await collect(chat('sim', { stream: true, stream_options: { include_usage: true } }));
    const plain = (await chat('sim')).usage;
    assert.equal(chunks.filter((chunk) => chunk.usage).length, 1);
    assert.equal(chunks.at(-1).usage.completion_tokens, plain.completion_tokens);
    assert.equal(chunks.at(-1).choices.length, 0);
  },

  async 'stream helper assembles the answer'() {
    const final = await client.chat.completions.stream({ model: 'sim-tools', messages, tools }).finalChatCompletion();
    const plain = await chat('sim-tools', { tools });
    const [streamed, whole] = [final, plain].map((answer) => answer.choices[0].message.tool_calls[0].function);
    assert.equal(final.choices[0].finish_reason, 'tool_calls');
    assert.equal(streamed.name, whole.name);
    assert.deepEqual(JSON.parse(streamed.arguments), JSON.parse(whole.arguments));
  },

  async 'embeddings in each encoding'() {
    const ask = (more) => client.embeddings.create({ model: 'sim', input: ['one', 'two'], ...more });
    const [decoded, plain] = [await ask(), await ask({ encoding_format: 'float' })];
    const packed = await ask({ encoding_format: 'base64' });
    assert.equal(plain.data.length, 2);
    plain.data.forEach(({ embedding }, n) => {
      const floats = Float32Array.from(embedding);
      assert.deepEqual(Float32Array.from(decoded.data[n].embedding), floats);
      const bytes = Uint8Array.from(Buffer.from(packed.data[n].embedding, 'base64'));
      assert.deepEqual(new Float32Array(bytes.buffer), floats);
    });
  },

  async 'text completion'() {
    const plain = await client.completions.create({ model: 'sim', prompt: 'Once upon a time' });
    const chunks = await collect(client.completions.create({ model: 'sim', prompt: 'Once upon a time', stream: true }));
    assert.equal(chunks.map((chunk) => chunk.choices[0]?.text ?? '').join(''), plain.choices[0].text);
  },

  async 'upstream failures'() {
    for (const [model, Kind, status, word] of upstream) {
      await raises(Kind, () => chat(model), status, direct ? '' : word);
      await raises(Kind, () => chat(model, { stream: true }), status);
    }
  },
};

const gatewayCases = {
  async models() {
    const names = (await collect(client.models.list())).map((model) => model.id);
    assert.ok(names.includes('sim') && names.includes('sim-tools'), `${names}`);
    assert.equal((await client.models.retrieve('sim')).id, 'sim');
    await raises(OpenAI.NotFoundError, () => client.models.retrieve('no-such-model'), 404);
  },

  async 'wrong key'() {
    const stranger = new OpenAI({ ...options, apiKey: 'sk-wrong' });
    await raises(OpenAI.AuthenticationError, () => stranger.chat.completions.create({ model: 'sim', messages }), 401);
  },

  async 'a key does what it may'() {
    const user = await minted({ models: ['sim', 'sim-tools'], max_budget: 1 });
    const plain = (await ask(user)).choices[0].message.content;
    const chunks = await collect(ask(user, { stream: true }));
    assert.equal(chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join(''), plain);
    assert.ok((await user.embeddings.create({ model: 'sim', input: 'one' })).data[0].embedding.length > 0);
    assert.deepEqual((await collect(user.models.list())).map((model) => model.id), ['sim', 'sim-tools']);
  },

  async 'a key that ended'() {
    const blocked = await minted();
    await admin('/key/block', { key: blocked.apiKey });
    await raises(OpenAI.AuthenticationError, () => ask(blocked), 401, 'Key is blocked');
    const expired = await minted({ duration: '1s' });
    await new Promise((done) => setTimeout(done, 1100));
    const error = await raises(OpenAI.BadRequestError, () => ask(expired), 400, 'Expired Key');
    assert.equal(error.type, 'expired_key');
  },

  async 'a model that is denied'() {
    const user = await minted({ models: ['sim-tools'] });
    const error = await raises(OpenAI.AuthenticationError, () => ask(user), 401);
    assert.equal(error.type, 'key_model_access_denied');
  },

  async 'a budget that is spent'() {
    const user = await minted({ max_budget: 0 });
    const error = await raises(OpenAI.BadRequestError, () => ask(user), 400, 'Budget has been exceeded!');
    assert.equal(error.type, 'budget_exceeded');
    assert.equal(error.code, '400');
    const { team_id } = await admin('/team/new', { max_budget: 0 });
    const member = await minted({ team_id });
    assert.equal((await raises(OpenAI.BadRequestError, () => ask(member), 400, team_id)).type, 'budget_exceeded');
  },

  async 'limits of speed'() {
    const user = await minted({ rpm_limit: 1 });
    await ask(user);
    const error = await raises(OpenAI.RateLimitError, () => ask(user), 429, 'Limit type: requests');
    const wait = Number(error.headers.get('retry-after'));
    assert.ok(wait >= 1 && wait <= 60, `${wait}`);
    const narrow = await minted({ max_parallel_requests: 1 });
    const stream = await ask(narrow, { model: 'sim-gap=60', stream: true });
    const parallel = await raises(OpenAI.RateLimitError, () => ask(narrow), 429);
    assert.equal(parallel.headers.get('rate_limit_type'), 'max_parallel_requests');
    await collect(stream);
    assert.ok((await ask(narrow)).choices.length);
  },

  async 'no such model'() {
    await raises(OpenAI.BadRequestError, () => chat('no-such-model'), 400, 'no-such-model');
  },

  async 'response headers'() {
    const { response } = await chat('sim').withResponse();
    for (const name of ['call-id', 'model-id', 'response-cost', 'version']) {
      assert.ok(response.headers.get(`x-litellm-${name}`), `no x-litellm-${name}`);
    }
  },

  async 'azure client'() {
    const azure = new OpenAI.AzureOpenAI({ apiKey, endpoint: url, apiVersion: '2024-10-21', maxRetries: 0 });
    assert.ok((await azure.chat.completions.create({ model: 'sim', messages })).choices[0].message.content);
    assert.ok((await collect(azure.chat.completions.create({ model: 'sim', messages, stream: true }))).length > 1);
  },

  async 'timeout is 408'() {
    await raises(OpenAI.APIError, () => chat('sim-hang'), 408, 'litellm.Timeout');
  },

  async 'a cut stream raises'() {
    const seen = [];
    const read = async () => {
      for await (const chunk of await chat('sim-cut=3', { stream: true })) seen.push(chunk.choices[0]?.finish_reason);
    };
    await raises(OpenAI.APIError, read);
    assert.ok(seen.length > 0 && !seen.some(Boolean), `a cut is never dressed up as a finish: ${seen}`);
  },
};

async function main() {
  let [passed, failed] = [0, 0];
  for (const [name, test] of Object.entries(direct ? cases : { ...cases, ...gatewayCases })) {
    try {
      await test();
      passed += 1;
    } catch (error) {
      failed += 1;
      console.log(`openai-node: ${name} FAILED\n${error.stack}`);
    }
  }
  console.log(`openai-node: ${passed} passed, ${failed} failed`);
  process.exitCode = failed ? 1 : 0;
}

main();
