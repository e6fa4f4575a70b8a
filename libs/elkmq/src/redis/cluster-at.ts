import { Cluster } from 'ioredis';

/** Returns a function that makes a client of the Redis Cluster that has a node at the URL. */
export function clusterAt(url: string): () => Cluster {
  const { username, password, protocol } = new URL(url);
  const redisOptions = {
    username: decodeURIComponent(username),
    password: decodeURIComponent(password),
    ...(protocol === 'rediss:' && { tls: {} }),
  };
  return () => new Cluster([url], { redisOptions, lazyConnect: true });
}
