// IndexedDB as promises, for modules.

const told = (request) => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});

const done = (transaction) => new Promise((resolve, reject) => {
  transaction.oncomplete = () => resolve();
  transaction.onabort = () => reject(transaction.error);
});

// Makes the database and its stores when they are missing.
export function open(name, stores) {
  const opening = indexedDB.open(name, 1);
  opening.onupgradeneeded = () => stores.forEach((store) => opening.result.createObjectStore(store));
  return told(opening);
}

// null when there is none: looking makes nothing.
export function openExisting(name) {
  const opening = indexedDB.open(name, 1);
  opening.onupgradeneeded = () => opening.transaction.abort();
  return told(opening).catch(() => null);
}

export const read = (database, store, key) => told(database.transaction(store).objectStore(store).get(key));

// Done when it is committed.
export function write(database, store, key, value) {
  const writing = database.transaction(store, "readwrite");
  writing.objectStore(store).put(value, key);
  return done(writing);
}

export function remove(database, store, keys) {
  const removing = database.transaction(store, "readwrite");
  keys.forEach((key) => removing.objectStore(store).delete(key));
  return done(removing);
}

export const drop = (name) => told(indexedDB.deleteDatabase(name));
