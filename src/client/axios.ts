/** `authd/axios`: an adapter with which axios has its requests sent by authd. */
import type { Client } from "../client.ts";

/** Any version of axios from 1.12 on: what this file needs of it. */
interface Axios<Config, Result> {
  getAdapter(names: string, config: Config): (config: Config) => Promise<Result>;
}

/**
 * Returns an adapter for `axios.create`. Requests are authd's, with the headers of `credential`:
 *
 *     const labelf = axios.create({ adapter: axiosAdapter(axios, connect(), "labelf") });
 *
 * They fail with an AxiosError, whose `cause` is the AuthdError.
 */
export function axiosAdapter<Config extends object, Result>(
  axios: Axios<Config, Result>,
  client: Client,
  credential: string,
): (config: Config) => Promise<Result> {
  const fetch = client.authorizedFetch(credential);
  return (config) => {
    const own = { ...config, env: { ...(config as { env?: object }).env, fetch } };
    return axios.getAdapter("fetch", own)(own);
  };
}
