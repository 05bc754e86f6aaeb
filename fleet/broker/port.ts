/** What the controller needs of an MQTT broker: the embedded one and a connection to any other both give it. */
import type { Channel } from "#agent/wire/topics.ts";

export interface Incoming {
  readonly device: string;
  readonly channel: Channel;
  readonly payload: Uint8Array;
}

export interface BrokerEvents {
  /** The promise settles when the message is dealt with (committed): until then the broker holds it back. Never rejects. */
  onMessage(message: Incoming): Promise<void>;
  /** Something was refused or went wrong, for the audit and the counters. */
  onRefused(refusal: Refusal): void;
  /** A connection to a broker elsewhere is there, or there again: what was said meanwhile may have reached nobody. */
  onConnected(): void;
}

export interface Refusal {
  /** "mqtt.login", "mqtt.publish", "mqtt.subscribe", "mqtt.rate", "mqtt.frame". */
  readonly action: string;
  /** The device id as far as it is known, else the address. */
  readonly actor: string;
  readonly detail: string;
}

export interface Broker {
  start(events: BrokerEvents): Promise<void>;
  /** Takes no more messages; waits for those that are being dealt with. */
  stop(): Promise<void>;
  /**
   * Sends to one device on one of its down channels. `retain` leaves it with the broker for the next connection. Resolves when the
   * broker has taken it, or when the device is not there: delivery is proved by the device's own answers, never by this.
   */
  send(device: string, channel: Channel, payload: string, options?: { retain?: boolean }): Promise<void>;
  /** Ends a device's connection, when it has one. */
  disconnect(device: string): void;
  /** Whether the wills of connected devices die with this process. */
  readonly embedded: boolean;
}
