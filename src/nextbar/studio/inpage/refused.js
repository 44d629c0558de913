// What cannot be: a sentence that says what, where and what to do, as the studio's server answers it.
export class Refused extends Error {
  status = 400;
}
