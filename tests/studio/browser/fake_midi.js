// A MIDI keyboard and a synthesiser as a browser would give them; what is sent is kept with its time.
(() => {
  const input = { id: "keys", name: "Keys 25", state: "connected", onmidimessage: null };
  const output = {
    id: "synth", name: "Synth", state: "connected", sent: [],
    send(data, at) { this.sent.push([...data, at ?? performance.now()]); },
  };
  const access = { inputs: new Map([["keys", input]]), outputs: new Map([["synth", output]]), onstatechange: null };
  navigator.requestMIDIAccess = async () => access;
  // A device stamps a key when it is struck, whenever the page comes to read that.
  const send = (data, timeStamp = performance.now()) => input.onmidimessage?.({ data, timeStamp });
  globalThis.fakeMidi = {
    access, input, output, send,
    on: (pitch, velocity = 80, time) => send([0x90, pitch, velocity], time),
    off: (pitch, time) => send([0x80, pitch, 0], time),
    // Plays notes, [step, steps, pitch, velocity], when the session's clock is at those steps.
    play: (notes, from = 0) => new Promise((done) => {
      const { session } = studio.live, left = [];
      for (const [start, steps, pitch, velocity] of notes) {
        left.push([from + start, (time) => fakeMidi.on(pitch, velocity, time)]);
        left.push([from + start + steps - 0.1, (time) => fakeMidi.off(pitch, time)]);
      }
      left.sort((a, b) => a[0] - b[0]);
      const look = () => {
        while (left.length && session.heardNow >= left[0][0]) {
          const [step, strike] = left.shift();
          strike(studio.sound.pageTimeOf(session.timeOf(step)));
        }
        if (left.length) setTimeout(look, 4); else done();
      };
      look();
    }),
  };
})();
