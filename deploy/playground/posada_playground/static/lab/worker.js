"use strict";
importScripts("/static/lab/describe.js");
describe().then((said) => postMessage(said));
