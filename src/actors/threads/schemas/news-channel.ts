/** How main tells its threads of schemas: one message for all of them, which a thread can take at once, too. */
import { BroadcastChannel, receiveMessageOnPort, type MessagePort } from 'node:worker_threads'
import type { SchemaNews } from '../../../streams/registry/schema-port.ts'
import type { NewsInbox } from './thread-schemas.ts'

/** Main's end. */
export interface NewsOutbox {
  tell(news: SchemaNews): void
  close(): void
}

export type OpenNewsOutbox = (name: string) => NewsOutbox

/** Neither end keeps a thread or the process alive. */
export const openNewsOutbox: OpenNewsOutbox = (name) => {
  const channel = new BroadcastChannel(name)
  channel.unref()
  let isOpen = true
  return {
    tell: (news) => {
      if (isOpen) channel.postMessage(news)
    },
    close: () => {
      isOpen = false
      channel.close()
    },
  }
}

export function openNewsInbox(name: string): NewsInbox {
  const channel = new BroadcastChannel(name)
  let isOpen = true
  const inbox: NewsInbox = {
    // A BroadcastChannel is a port to Node.js; its types do not say so.
    take: () =>
      isOpen ? (receiveMessageOnPort(channel as unknown as MessagePort)?.message as SchemaNews | undefined) : undefined,
    onNews: () => undefined,
    close: () => {
      isOpen = false
      channel.close()
    },
  }
  channel.onmessage = (event) => {
    inbox.onNews((event as { readonly data: SchemaNews }).data)
  }
  channel.unref()
  return inbox
}
