/** One message of a chat. */
export interface ChatMessage {
	role: "system" | "user" | "assistant" | (string & {});
	content: string;
}
