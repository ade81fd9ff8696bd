/**
 * Whether tests run that are too slow for every change, `it.runIf(thorough)(...)`: `npm run test:full` says so
 * (vitest.full.config.ts), `npm test` counts them as skipped.
 */
export const thorough = process.env.PRUNE_GGUF_TEST_FULL === "1";
