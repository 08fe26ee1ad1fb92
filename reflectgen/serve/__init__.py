"""The service: a Reflector behind OpenAI's routes, with every branch's steps as an extension of the stream.

A request becomes an `Ask` (`asking`), is admitted (`admission`), searched (`job`) and told in the shape that was asked for
(`chat`, `completions`, `responses`). `events` knows nothing of HTTP. `app` puts all together, `server` runs it.
"""
