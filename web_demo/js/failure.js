/**
 * Everything that goes wrong with a model folder, a picture or the browser, in words a user can act on: what was found, what is
 * allowed, what to do. Anything else that is thrown is a bug, and shown as one.
 */
export class Failure extends Error {
  constructor({ got, allowed, advice, cause }) {
    super(`got ${got}; allowed: ${allowed}; ${advice}`, { cause });
    this.got = got;
    this.allowed = allowed;
    this.advice = advice;
  }
}
