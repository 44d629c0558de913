// A clock that goes on where the page's own is slowed down: timers of a hidden tab run once a second,
// those of a worker do not. Sends an empty message every ten milliseconds.

setInterval(() => postMessage(null), 10);
