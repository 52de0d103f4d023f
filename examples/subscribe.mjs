// Print what the daemon publishes, from node: `node subscribe.mjs metrics. event.`.
//
// Needs `npm install zeromq`. Topics are prefixes; without any, everything is printed.

import { Subscriber } from "zeromq";

const runtime = process.env.IMAGEMP_RUNTIME_DIR ?? "/run/imagemp";
const topics = process.argv.slice(2);

const subscriber = new Subscriber({ linger: 0 });
subscriber.connect(`ipc://${runtime}/telemetry.sock`);
subscriber.subscribe(...(topics.length ? topics : [""]));

for await (const [message] of subscriber) {
  const text = message.toString();
  const at = text.indexOf(" ");
  console.log(text.slice(0, at), JSON.parse(text.slice(at + 1)));
}
