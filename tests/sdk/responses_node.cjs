// The official OpenAI client for Node asks for responses; see responses_python.py.
'use strict';

const assert = require('node:assert/strict');
const OpenAI = require('openai');

const { TOLLGATE_URL: url, TOLLGATE_KEY: apiKey } = process.env;
const client = new OpenAI({ apiKey, baseURL: `${url}/v1`, maxRetries: 0, timeout: 20_000 });
const SAID = 'Every call pays its toll and goes on.';
const input = 'Say something in a few words.';
const tools = [
  {
    type: 'function',
    name: 'get_weather',
    strict: true,
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'], additionalProperties: false },
  },
];
const ask = (model, more = {}) => client.responses.create({ model, input, ...more });

const forEach = {
  async 'a response'(name) {
    const answer = await ask(name, { instructions: 'Be brief.' });
    assert.equal(answer.output_text, SAID);
    assert.equal(answer.status, 'completed');
    assert.deepEqual([answer.usage.input_tokens, answer.usage.output_tokens], [8, 8]);
  },
  async 'a stream'(name) {
    const kinds = [];
    let text = '';
    for await (const event of await ask(name, { stream: true })) {
      kinds.push(event.type);
      if (event.type === 'response.output_text.delta') text += event.delta;
    }
    assert.equal(text, SAID);
    assert.equal(kinds[0], 'response.created');
    assert.equal(kinds.at(-1), 'response.completed');
  },
  async 'a stream by the helper'(name) {
    const final = await client.responses.stream({ model: `${name}-tools`, input, tools }).finalResponse();
    assert.equal(JSON.parse(final.output.at(-1).arguments).city, 'Paris');
  },
  async 'tools there and back'(name) {
    const turns = [{ role: 'user', content: input }];
    const answer = await ask(`${name}-tools`, { input: turns, tools });
    const call = answer.output.at(-1);
    assert.equal(call.type, 'function_call');
    turns.push(...answer.output, { type: 'function_call_output', call_id: call.call_id, output: '18' });
    assert.equal((await ask(`${name}-tools`, { input: turns, tools })).output_text, SAID);
  },
  async 'errors of their class'(name) {
    await assert.rejects(ask(`${name}-429`), OpenAI.RateLimitError);
    await assert.rejects(ask(`${name}-500`), OpenAI.InternalServerError);
  },
  async 'a cut stream'(name) {
    const kinds = [];
    const read = async () => {
      for await (const event of await ask(`${name}-cut=3`, { stream: true })) kinds.push(event.type);
    };
    await assert.rejects(read, OpenAI.APIError);
    assert.equal(kinds.at(-1), 'response.failed');
  },
};

(async () => {
  let passed = 0;
  let failed = 0;
  for (const [what, test] of Object.entries(forEach)) {
    for (const name of ['relay', 'sim', 'claude']) {
      try {
        await test(name);
        passed += 1;
      } catch (error) {
        failed += 1;
        console.log(`responses-node: ${what} of ${name} FAILED`);
        console.log(error);
      }
    }
  }
  console.log(`responses-node: ${passed} passed, ${failed} failed`);
  process.exit(failed ? 1 : 0);
})();
