() => {
  // gradio ends the stream of its answers with the last event that is pending. What is asked for while that end is on its
  // way takes the ending stream to be its own, and is never answered. So the page is told that an event was taken only
  // once the stream has told of this event, or is over: then gradio opens another.
  const plain = window.fetch;
  const told = new Set(); // events of which a stream has told: gradio keeps what comes before the answer to a join
  let stream = null; // the open one: who waits for more of it
  const tell = (one) => one.waiting.splice(0).forEach((go) => go());

  async function opened(asked) {
    const signal = asked[1]?.signal ?? asked[0].signal, one = stream = {waiting: []};
    const over = () => {
      if (stream === one) stream = null;
      tell(one);
    };
    signal?.addEventListener('abort', over); // gradio does so when it has read the end
    const answer = await plain(...asked).catch((error) => { over(); throw error; }), decoder = new TextDecoder();
    let rest = '';
    const {readable, writable} = new TransformStream({transform(bytes, on) {
      on.enqueue(bytes);
      rest += decoder.decode(bytes, {stream: true});
      for (const [, id] of rest.matchAll(/"event_id":"(\w+)"/g)) told.add(id);
      rest = rest.slice(-80); // an id may come in two parts
      tell(one);
    }});
    // A stream that breaks off is not aborted: after a while nobody waits for it any more.
    answer.body.pipeTo(writable).catch(() => {}).finally(() => setTimeout(over, 10_000));
    return new Response(readable, answer);
  }
  async function joined(asked) {
    const answer = await plain(...asked);
    if (!answer.ok) return answer;
    const {event_id: id} = await answer.clone().json();
    while (stream && !told.has(id)) await new Promise((go) => stream.waiting.push(go));
    return answer;
  }
  window.fetch = (...asked) => {
    const {pathname} = new URL(asked[0].url ?? asked[0], location.href);
    if (pathname.endsWith('/queue/data')) return opened(asked);
    return pathname.endsWith('/queue/join') ? joined(asked) : plain(...asked);
  };
}
