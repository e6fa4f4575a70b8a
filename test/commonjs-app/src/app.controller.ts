import { Controller, Get } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { AppService } from './app.service';

@Controller()
export class AppController {
  constructor(private readonly appService: AppService) {}

  @Get()
  getHello(): Promise<string> {
    return this.appService.ask('CommonJS');
  }

  @MessagePattern('hello')
  hello(@Payload() name: string): string {
    return `Hello ${name}!`;
  }
}
