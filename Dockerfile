# bounced in a container. Node itself is PID 1, so that SIGTERM reaches the daemon. The optional packages hold a Node that the image has already.
FROM node:26-slim
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --omit=optional --no-audit --no-fund
COPY bin ./bin
COPY src ./src
COPY console ./console
COPY fixtures ./fixtures
ENV NODE_ENV=production BOUNCED_DATA=/data
# Less memory for the same speed (docs/SCALE.md, Memory).
ENV NODE_OPTIONS=--max-semi-space-size=8 MALLOC_ARENA_MAX=2
# A container has a loopback of its own, so every listener that is to be published binds to all addresses. The network of the container is private:
# plain HTTP leaves it only where you publish port 8080. Publish it to loopback or to your TLS proxy (-p 127.0.0.1:8080:8080), never to the world.
ENV BOUNCED_HOST=0.0.0.0 BOUNCED_HTTP_HOST=0.0.0.0 BOUNCED_HTTP_PLAIN=true
RUN mkdir /data && chown node:node /data
USER node
VOLUME /data
EXPOSE 2525 8080
# The listener for operators stays on the container's own loopback.
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:8081/readyz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "src/cli.ts", "serve"]
