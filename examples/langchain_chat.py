# Uses the gateway as a LangChain model: `ChatOpenAI` with another address, in a chain as usual.
# `use_responses_api=True` has it speak OpenAI's Responses instead, which the gateway does as well.
# Run: pip install -r examples/requirements.txt, then GATEWAY_KEY=gwk_… python examples/langchain_chat.py
import os

from langchain_core.prompts import ChatPromptTemplate
from langchain_openai import ChatOpenAI

model = ChatOpenAI(
    base_url=os.environ.get("GATEWAY_URL", "http://127.0.0.1:8000") + "/v1",
    api_key=os.environ["GATEWAY_KEY"],
    model="auto",
    max_retries=0,
)
chain = ChatPromptTemplate.from_messages([("user", "Say hello to {name}")]) | model

answer = chain.invoke({"name": "Ada"})
print(answer.content)
print(answer.usage_metadata)
for chunk in chain.stream({"name": "Grace"}):
    print(chunk.content, end="")
print()
