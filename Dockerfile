# bounced in a container. Node itself is PID 1, so that SIGTERM reaches the daemon. The optional packages hold a Node that the image has already.
FROM node:26-slim
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --omit=optional --no-audit --no-fund
COPY bin ./bin
COPY src ./src
COPY fixtures ./fixtures
ENV NODE_ENV=production BOUNCED_HOST=0.0.0.0 BOUNCED_DATA=/data
RUN mkdir /data && chown node:node /data
USER node
VOLUME /data
EXPOSE 2525 8080
CMD ["node", "src/cli.ts", "serve"]
