const { default: Sequencer } = require('@jest/test-sequencer');

/** The random sequences take longer than all else together and little of the machine: begun last, they would run alone. */
const FIRST = /[\\/]test[\\/]model[\\/]/;

module.exports = class LongestFirst extends Sequencer {
  sort(tests) {
    const sorted = super.sort(tests);
    return [...sorted.filter(({ path }) => FIRST.test(path)), ...sorted.filter(({ path }) => !FIRST.test(path))];
  }
};
