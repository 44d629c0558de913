// Keeps all files of this page in the browser, so that it opens without a network. FILES and VERSION are
// written in when the page is made.

const VERSION = "", FILES = [];
const NAME = "nextbar ";

self.addEventListener("install", (event) => {
  event.waitUntil(caches.open(NAME + VERSION).then((cache) => cache.addAll(FILES)).then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => {
  const isOld = (name) => name.startsWith(NAME) && name !== NAME + VERSION;
  event.waitUntil(caches.keys().then((names) => Promise.all(names.filter(isOld).map((name) => caches.delete(name)))));
});

// What is kept is taken from there; the network is asked for what is not.
self.addEventListener("fetch", (event) => {
  if (event.request.method !== "GET") return;
  event.respondWith(caches.open(NAME + VERSION)
    .then((cache) => cache.match(event.request, { ignoreSearch: true }))
    .then((kept) => kept ?? fetch(event.request)));
});
